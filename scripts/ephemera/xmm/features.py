"""Numbers that describe each detection, from its light curve and its events.

A light curve has one row per frame with the columns time (start of the frame, s), exposure (s), bti, bccd,
n, mu, B_peak_log, B_eclipse_log and detid; for the full band also n_soft, n_hard and n_pn, n_m1, n_m2.
Statistics use G, the frames with exposure > 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.tables import read, write
from ephemera.xmm.bad_observations import read_bad_observations
from ephemera.xmm.bayes import thresholds
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.events_store import read_source_columns, read_subsets
from ephemera.xmm.feature_events import (
    RawPixelShare,
    camera_shares,
    energy_per_count,
    peak_flux,
    witnesses,
)
from ephemera.xmm.feature_flags import flags, in_bright_wing
from ephemera.xmm.feature_outbursts import (
    ECLIPSE_LEVEL,
    PEAK_LEVEL,
    ExposedCurve,
    Outburst,
    edge_excess,
    find_outburst,
    hardness,
    largest_sigma,
    outburst_counts,
    outburst_times,
    split_expectation,
)
from ephemera.xmm.feature_statistics import (
    chi2_probability,
    count_maxima_above,
    kolmogorov_smirnov,
    moments,
    poisson_uniform,
    reproducible_uniform,
)
from ephemera.xmm.light_curve_files import read_light_curves
from ephemera.xmm.observation import FloatArray, ListHeader
from ephemera.xmm.psf import NOMINAL_PSF
from ephemera.xmm.region_columns import REGIONS
from ephemera.xmm.source_mask import SourceList

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ephemera.config.xmm import Features as FeatureSettings
    from ephemera.job import Job

#: Columns that every light curve has.
REQUIRED = ("time", "exposure", "bti", "bccd", "n", "mu", "B_peak_log", "B_eclipse_log")
#: Features that identify a curve, and the columns each may come from, first found first.
KEY_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "detid": ("detid",),
    "runid": ("runid",),
    "obsid": ("obsid",),
    "subset": ("subset",),
    "t_bin": ("t_bin",),
    "E_low": ("E_low", "e_min"),
    "E_hi": ("E_hi", "e_max"),
}
#: Columns that the curves of the full band may have.
BAND_COLUMNS = ("n_soft", "n_hard")
CAMERA_COLUMNS = ("n_pn", "n_m1", "n_m2")


def features(
    light_curve: pd.DataFrame, *, min_gap: float = 5000.0, keys: Mapping[str, object] | None = None
) -> dict[str, Any]:
    """Features of one light curve that need only the curve; keys first.

    obsid, subset, t_bin, E_low, E_hi are taken from columns of `light_curve` where it has them, else from
    `keys` (a row of the table of regions, say), never parsed from text. Values that do not exist are
    None or NaN. See `feature_values` for the rest.
    """
    present = set(light_curve.columns)
    names = [name for name in (*REQUIRED, *BAND_COLUMNS, *CAMERA_COLUMNS) if name in present]
    columns = {name: light_curve[name].to_numpy() for name in names}
    identity = _identity(light_curve, keys or {})
    detid, t_bin = identity["detid"], identity["t_bin"]
    return identity | feature_values(
        columns,
        detid="" if detid is None else str(detid),
        t_bin=None if t_bin is None else float(t_bin),
        min_gap=min_gap,
    )


def _identity(light_curve: pd.DataFrame, keys: Mapping[str, object]) -> dict[str, Any]:
    """The keys of a curve, None where neither its columns nor `keys` have them."""
    first = {
        name: light_curve[name].iloc[0]
        for names in KEY_COLUMNS.values()
        for name in names
        if name in light_curve.columns and len(light_curve)
    }
    found = dict(keys) | first
    return {
        key: next((found[name] for name in names if name in found), None)
        for key, names in KEY_COLUMNS.items()
    }


def feature_values(
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    detid: str = "",
    t_bin: float | None = None,
    min_gap: float = 5000.0,
) -> dict[str, Any]:
    """Features of one light curve given as arrays of one length, without the keys except t_bin.

    `detid` seeds the random part of ks_stat; `t_bin` (s) is the frame length, by default the difference of
    the first two times; `min_gap` (s) separates groups of significant frames. Raises ValueError for missing
    columns, unequal lengths, mu or B that are missing in an exposed frame, and where the frame length is
    unknown.
    """
    length = _check(columns, min_gap)
    step = _frame_length(columns, t_bin)
    curve = _exposed(columns, step)
    values: dict[str, Any] = {"t_bin": step} | _coverage(columns, length)
    values |= _summaries(curve)
    if not len(curve):
        return values
    values |= _largest(curve) | _agreement(curve, detid) | largest_sigma(curve)
    values |= _significant_frames(curve)
    outburst, n_peaks = find_outburst(
        curve, values["sigma_max_B_peak"], values["sigma_max_B_eclipse"], min_gap
    )
    values |= {"n_peaks": n_peaks} | edge_excess(curve)
    if outburst is not None:
        values |= outburst_times(curve, outburst) | outburst_counts(curve, outburst)
        values |= _parts(columns, curve, outburst)
    return values


def _check(columns: Mapping[str, npt.NDArray[Any]], min_gap: float) -> int:
    """Length of the curve, after checks of what came in."""
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        msg = f"light curve must have the columns {', '.join(REQUIRED)}; missing: {', '.join(missing)}"
        raise ValueError(msg)
    lengths = {name: len(columns[name]) for name in REQUIRED}
    if len(set(lengths.values())) > 1:
        msg = f"columns of a light curve must have one length, got {lengths}"
        raise ValueError(msg)
    if not min_gap >= 0:
        msg = f"min_gap must be a time >= 0 in s, got {min_gap!r}"
        raise ValueError(msg)
    return lengths["time"]


def _frame_length(columns: Mapping[str, npt.NDArray[Any]], t_bin: float | None) -> float:
    time = columns["time"]
    step = float(time[1] - time[0]) if t_bin is None and len(time) > 1 else t_bin
    if step is None or not step > 0 or math.isinf(step):
        msg = f"t_bin must be a positive number of seconds, got {step!r} for a curve of {len(time)} frames"
        raise ValueError(msg)
    return float(step)


def _exposed(columns: Mapping[str, npt.NDArray[Any]], t_bin: float) -> ExposedCurve:
    """The frames with exposure > 0."""
    exposure = np.asarray(columns["exposure"], np.float64)
    frame = np.flatnonzero(exposure > 0)

    def taken(name: str) -> FloatArray:
        values = np.take(np.asarray(columns[name], np.float64), frame)
        # One NaN makes the sum NaN, and the sum is the cheapest look at all values.
        if math.isnan(values.sum()):
            msg = f"{name} must be given in every exposed frame, missing in {np.isnan(values).sum()} of them"
            raise ValueError(msg)
        return values

    return ExposedCurve(
        t_bin=t_bin,
        frame=frame,
        start=taken("time"),
        exposure=exposure[frame],
        bti=np.asarray(columns["bti"])[frame].astype(np.bool_),
        n=taken("n"),
        mu=taken("mu"),
        b_peak=taken("B_peak_log"),
        b_eclipse=taken("B_eclipse_log"),
    )


def _coverage(columns: Mapping[str, npt.NDArray[Any]], length: int) -> dict[str, Any]:
    n_bccd, n_bti = (int(np.count_nonzero(columns[name])) for name in ("bccd", "bti"))
    share = 1.0 / length if length else math.nan
    return {
        "len": length,
        "n_bccd": n_bccd,
        "n_bti": n_bti,
        "ratio_bccd": n_bccd * share,
        "ratio_bti": n_bti * share,
    }


def _summaries(curve: ExposedCurve) -> dict[str, Any]:
    """Moments of n and of mu over G; n_min, n_max and n_sum are whole numbers."""
    n, mu = vars(moments(curve.n)), vars(moments(curve.mu))
    values: dict[str, Any] = {f"n_{name}": value for name, value in n.items()}
    for name in ("n_min", "n_max", "n_sum"):
        values[name] = None if math.isnan(values[name]) else int(values[name])
    return values | {f"mu_{name}": value for name, value in mu.items()}


def _largest(curve: ExposedCurve) -> dict[str, Any]:
    """Where the maximum of n is (first of equals), and whether it stands alone among empty frames."""
    k = int(np.argmax(curve.n))
    isolated = 0 < k < len(curve) - 1
    if isolated:
        around = slice(k - 1, k + 2, 2)
        adjacent = curve.frame[k + 1] - curve.frame[k - 1] == 2
        isolated = bool(adjacent and not curve.n[around].any())
    return {
        "n_max_idx": k,
        "n_max_first_bin": k == 0,
        "n_max_last_bin": k == len(curve) - 1,
        "n_max_isolated_flare": isolated,
    }


def _agreement(curve: ExposedCurve, detid: str) -> dict[str, float]:
    """Do the counts follow the expectation? Kolmogorov-Smirnov and chi-square."""
    v = reproducible_uniform(detid, curve.frame)
    stat, pval = kolmogorov_smirnov(poisson_uniform(curve.b_peak, curve.b_eclipse, v))
    return {"ks_stat": stat, "ks_pval": pval, "chi2_pval": chi2_probability(curve.n, curve.mu)}


def _significant_frames(curve: ExposedCurve) -> dict[str, int]:
    """Numbers of frames at 3 and 5 sigma, all, in bad time and in good time; numbers of local maxima."""
    values: dict[str, int] = {}
    for sigma in (3, 5):
        peak, eclipse = thresholds(float(sigma))
        hits = {"peak": curve.b_peak >= peak, "eclipse": curve.b_eclipse >= eclipse}
        for kind, hit in hits.items():
            n_all, n_bti = int(np.count_nonzero(hit)), int(np.count_nonzero(hit & curve.bti))
            name = f"n_{sigma}_sig_{kind}_bins"
            values |= {name: n_all, f"{name}_bti": n_bti, f"{name}_gti": n_all - n_bti}
    values["num_B_peak_above_6_4"] = count_maxima_above(curve.b_peak, PEAK_LEVEL)
    values["num_B_eclipse_above_5_5"] = count_maxima_above(curve.b_eclipse, ECLIPSE_LEVEL)
    return values


def _parts(
    columns: Mapping[str, npt.NDArray[Any]], curve: ExposedCurve, outburst: Outburst
) -> dict[str, Any]:
    """What bands and cameras say of an outburst, where the curve has their counts."""
    values: dict[str, Any] = {}
    bands = _part_counts(columns, BAND_COLUMNS, curve)
    if bands is not None:
        values |= hardness(curve, outburst, bands[0], bands[1])
    cameras = _camera_counts(columns, curve)
    if cameras is not None and outburst.sign > 0:
        took_part = ~np.isnan(cameras[:, 0])
        parts = np.where(took_part[:, None], cameras, 0.0)
        counts, expected = split_expectation(curve, outburst, parts)
        shares = camera_shares(counts, expected, witnesses(took_part, counts, parts.sum(axis=1) - counts))
        names = ("frac_camera_pn", "frac_camera_m1", "frac_camera_m2")
        values |= dict(zip(names, shares.fraction.tolist(), strict=True))
        values |= {"one_camera_pval": shares.p_value, "filt_one_camera": shares.one_camera}
    return values


def _part_counts(
    columns: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...], curve: ExposedCurve
) -> FloatArray | None:
    """Counts per exposed frame of the parts `names`, (k, frames); None where any is not there."""
    if any(name not in columns for name in names):
        return None
    parts = np.stack([np.take(np.asarray(columns[name], np.float64), curve.frame) for name in names])
    return None if math.isnan(parts.sum()) else parts


def _camera_counts(columns: Mapping[str, npt.NDArray[Any]], curve: ExposedCurve) -> FloatArray | None:
    """Counts per exposed frame of the EPIC cameras (3, frames); NaN where one took no part, None of none."""
    nothing = np.full(len(curve), np.nan)
    parts = [_part_counts(columns, (name,), curve) for name in CAMERA_COLUMNS]
    if all(part is None for part in parts):
        return None
    return np.stack([nothing if part is None else part[0] for part in parts])


def curve_columns(table: pa.Table) -> dict[str, npt.NDArray[Any]]:
    """Columns of a light curve as arrays, null as NaN; counts that were not made are left out."""
    extra = (*BAND_COLUMNS, *CAMERA_COLUMNS)
    names = [*REQUIRED, *(name for name in extra if table[name].null_count == 0)]
    return {name: table[name].to_numpy() for name in names}


def detection_row(
    region: Mapping[str, Any],
    values: Mapping[str, Any],
    header: ListHeader,
    sources: SourceList,
    *,
    size_arcsec: float,
    n_regions: int,
    bad_observations: Collection[str],
    flux: bool = True,
) -> dict[str, Any]:
    """One row of the table of detections from its region, the features of its curve and its surroundings.

    `size_arcsec` is the width of a pixel.
    """
    pixel = RawPixelShare(_real(region["frac_one_raw_pixel"]), region["raw_pixel"])
    ra, dec = region["ra"], region["dec"]
    off_axis = float(header.off_axis_arcmin(ra, dec))
    wing = (
        in_bright_wing([ra], [dec], sources.ra, sources.dec, sources.rate_total) if len(sources) else [None]
    )
    row = dict(region) | dict(values) | {"off_axis": off_axis}
    if flux and region["type"] != "eclipse" and _rises(values):
        radius = math.sqrt(region["area_bbox"] / math.pi) * size_arcsec
        row |= _fluxes(values, sources, off_axis, radius)
    if values.get("t_peak") is not None:
        row["mjd_peak"] = header.mjd(values["t_peak"])
    return row | flags(
        row,
        n_regions=n_regions,
        bad_observations=bad_observations,
        bright_wing=wing[0],
        raw_pixel=pixel,
    )


def _rises(values: Mapping[str, Any]) -> bool:
    """Whether a curve has an outburst, and it is one of counts in excess, not of missing ones."""
    return "rate_peak" in values and values["sigma_max_B_peak"] >= values["sigma_max_B_eclipse"]


def _fluxes(
    values: Mapping[str, Any], sources: SourceList, off_axis: float, radius: float
) -> dict[str, float]:
    """Columns flux and flux_peak of a peak in a circle of `radius` arcsec.

    NaN without listed sources at a like distance from the axis (arcmin).
    """
    per_count = energy_per_count(sources.flux_8, sources.rate_8, sources.extent, sources.off_axis, off_axis)
    encircled = float(NOMINAL_PSF.encircled_energy(radius))
    rates = {"flux": "rate_mean", "flux_peak": "rate_peak"}
    return {name: peak_flux(values[rate], encircled, per_count) for name, rate in rates.items()}


def _real(value: float | None) -> float:
    return math.nan if value is None else value


def main(job: Job) -> None:
    """Write the detections of one observation with their features and flags."""
    settings: FeatureSettings = job.settings
    table = settings.bad_observations
    bad = set(read_bad_observations(table)) if table else set()
    sources = read_source_columns(job.input.events)
    subsets = {subset.number: subset for subset in read_subsets(job.input.events, with_events=False)}
    regions = {row["detid"]: row for row in read(job.input.regions, REGIONS).to_pylist()}
    in_run = Counter(row["runid"] for row in regions.values())
    rows = []
    for detid, curve in read_light_curves(job.input.light_curves):
        region = regions[detid]
        subset = subsets[region["subset"]]
        values = feature_values(
            curve_columns(curve), detid=detid, t_bin=region["t_bin"], min_gap=settings.min_gap_s
        )
        row = detection_row(
            region, values, subset.header, sources,
            size_arcsec=subset.pixel_arcsec(job.settings.size_arcsec),
            n_regions=in_run[region["runid"]], bad_observations=bad, flux=settings.flux,
        )  # fmt: skip
        rows.append(row | subset.in_words)
    write(rows, DETECTIONS, job.output.detections)
