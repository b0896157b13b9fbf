"""Normalise the series of a dataset, split it into visits, and make light curves, metrics and exports.

Reads the series as they were read from files. Makes the tables `white_light`, `bands`, `spectrum_median`, the
metrics `quality.json`, the keywords `metadata.json`, the cube `cube.h5` with everything, and the store from
which pages, video and figures are drawn. Real time stamps never move and masked cells never get a value.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.jwst.analysis import Analysis, write_analyses
from ephemera.jwst.bands import WHITE, Band, make_bands
from ephemera.jwst.cube import group_names, read_series_file, write_series
from ephemera.jwst.light_curve_columns import LIGHT_CURVES, MATRIX, SPECTRUM
from ephemera.jwst.normalised import LightCurve, Normalised, baseline_of, light_curve, normalise
from ephemera.jwst.observation import SCALE_NAMES, BoolArray, FloatArray, Series
from ephemera.jwst.options import settings_of
from ephemera.jwst.problems import Outcome, RangeError
from ephemera.jwst.progress import Progress
from ephemera.jwst.quality import amplitude, channel_metrics, series_metrics
from ephemera.jwst.ranges import cut, range_slice
from ephemera.jwst.transit import fit_trapezoid, straight_line
from ephemera.jwst.visits import visit_numbers, visits
from ephemera.tables import write

if TYPE_CHECKING:
    from ephemera.config.jwst import SeriesOptions as Settings
    from ephemera.job import Job

__all__ = ["LightCurve", "Normalised", "light_curve", "main", "normalise", "visits"]

log = logging.getLogger(__name__)

#: A long table of the matrix is written below this many cells.
MOST_CELLS_CSV = 2_000_000


def first_valid_time(series: Sequence[Series]) -> float:
    """Time of the first valid integration of a dataset: the zero of all its hours."""
    return min(float(one.time[one.valid.any(axis=0)][0]) for one in series)


def baseline_mask(series: Series, settings: Settings) -> tuple[BoolArray, list[str]]:
    """Integrations of the baseline as the option says: all, out of transit, or intervals; and remarks.

    Out of transit is what the file says, else outside the fitted trapezoid, else, with a remark, everything.
    """
    if settings.baseline == "all":
        return baseline_of(series, None), []
    if settings.baseline != "out_of_transit":
        return baseline_of(series, [(start, stop) for start, stop in settings.baseline]), []
    if series.out_of_transit is not None and series.out_of_transit.any():
        return series.out_of_transit, []
    found = fit_trapezoid(series.time, light_curve(series).flux)
    if found is not None:
        outside = np.abs(series.time - found.t0) > found.duration / 2
        if outside.any():
            return outside, []
    return baseline_of(series, None), [f"{series.name}: no transit was found, the baseline is all of it"]


def analyse(
    whole: Series, zero: float, bands: Sequence[Band], settings: Settings
) -> tuple[Analysis, Normalised, list[str]]:
    """Everything about one series, and remarks; `zero` is the time of hour 0."""
    baseline, remarks = baseline_mask(whole, settings)
    by_visit = settings.normalise == "visit"
    norm = normalise(whole, baseline, by_visit=by_visit, gap_hours=settings.visit_gap_hours)
    hours = (whole.time - zero) * 24
    channels = range_slice(whole.wavelength, settings.wavelength_range, "wavelength", "um")
    times = range_slice(hours, settings.time_range, "time", "h")
    if channels != slice(0, len(whole.wavelength)) or times != slice(0, len(whole.time)):
        norm = cut(norm, channels, times, settings.visit_gap_hours)
        if not baseline[times].any():
            remarks.append(f"{whole.name}: no baseline inside the time range, metrics are over all of it")
    one = norm.series
    matrix, errors = norm.matrix().T, norm.errors().T
    channel = channel_metrics(norm, matrix, errors)
    curves = {WHITE: _curve(norm, None, settings, channel.scatter)}
    for band in bands:
        if band.channels(one.wavelength).any():
            curves[band.name] = _curve(norm, band, settings, channel.scatter)
    white = curves[WHITE].flux
    line = _line(one.time, white, norm.baseline, whole=bool(norm.baseline.all()))
    metrics = series_metrics(norm, channel, curves[WHITE], line)
    metrics["amplitude_percent"] = {name: amplitude(curve.flux) for name, curve in curves.items()}
    if settings.transit:
        trapezoid = fit_trapezoid(one.time, white if line is None else white / line)
        metrics["transit"] = None if trapezoid is None else _finite(asdict(trapezoid))
    analysis = Analysis(
        one.name, one.wavelength, one.time, hours[times], norm.median, norm.level, norm.ranges, norm.baseline,
        norm.n_valid, curves, channel, metrics, channels, times,
    )  # fmt: skip
    return analysis, norm, remarks


def _curve(norm: Normalised, band: Band | None, settings: Settings, scatter: FloatArray) -> LightCurve:
    low, high = (None, None) if band is None else (band.start, band.end)
    return light_curve(norm, low, high, settings.light_curve_weights, scatter)


def _line(time: FloatArray, flux: FloatArray, baseline: BoolArray, *, whole: bool) -> FloatArray | None:
    """Straight line through the baseline where that leaves something out; else None."""
    if whole or int((baseline & np.isfinite(flux)).sum()) < 3:
        return None
    return straight_line(time, flux, baseline)


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: float(v) if np.isfinite(v) else None for name, v in values.items()}


def curve_columns(
    analyses: Sequence[Analysis], series: Sequence[Series], names: Sequence[str]
) -> dict[str, Any]:
    """Columns of the table of light curves of the bands `names`, series by series."""
    parts: list[dict[str, npt.NDArray[Any]]] = []
    for one, whole in zip(analyses, series, strict=True):
        n = len(one.time)
        visit = visit_numbers(one.ranges, n)
        for name in names:
            if name not in one.curves:
                continue
            curve = one.curves[name]
            parts.append(
                {
                    "series": np.full(n, one.name, object),
                    "band": np.full(n, name, object),
                    "time": one.time,
                    "time_scale": np.full(n, SCALE_NAMES[whole.time_scale], object),
                    "hours": one.hours,
                    "visit": visit,
                    "integration": whole.integration_number[one.times],
                    "flux_norm": curve.flux,
                    "flux_err": curve.error,
                    "n_channels": curve.n_channels.astype(np.int32),
                    "flux_sum": curve.flux_sum,
                    "sum_incomplete": curve.sum_incomplete,
                    "flag": whole.flags[one.times],
                }
            )
    if not parts:
        return {name: [] for name in LIGHT_CURVES.names}
    return {name: np.concatenate([part[name] for part in parts]) for name in LIGHT_CURVES.names}


def spectrum_columns(analyses: Sequence[Analysis]) -> dict[str, Any]:
    """Columns of the table of median spectra."""
    names = np.concatenate([np.full(len(a.wavelength), a.name, object) for a in analyses])
    channel = {
        name: np.concatenate([getattr(a.channel, name) for a in analyses])
        for name in ("scatter", "scatter_diff", "error", "excess")
    }
    return {
        "series": names,
        "wavelength": np.concatenate([a.wavelength for a in analyses]),
        "flux": np.concatenate([a.median for a in analyses]),
        "n_valid": np.concatenate([a.n_valid for a in analyses]),
        **channel,
    }


def write_tables(
    folder: Path,
    analyses: Sequence[Analysis],
    series: Sequence[Series],
    bands: Sequence[Band],
    settings: Settings,
) -> None:
    """Write light curves and median spectra in the formats asked for."""
    facts = {
        "time_scale": SCALE_NAMES[series[0].time_scale],
        "flux_unit": series[0].flux_unit,
        "target": _plain(series[0].target),
        "weights": settings.light_curve_weights,
    }
    white = curve_columns(analyses, series, [WHITE])
    by_band = curve_columns(analyses, series, [band.name for band in bands])
    for suffix in [name for name in ("ecsv", "csv") if name in settings.formats]:
        write(white, LIGHT_CURVES, folder / f"white_light.{suffix}", facts)
        write(by_band, LIGHT_CURVES, folder / f"bands.{suffix}", facts)
    write(spectrum_columns(analyses), SPECTRUM, folder / "spectrum_median.ecsv", facts)


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text)


def write_matrix(folder: Path, analyses: Sequence[Analysis], series: Sequence[Series]) -> None:
    """Write one row per cell, below 2 million cells; above, say where the matrix is."""
    cells = sum(len(a.wavelength) * len(a.time) for a in analyses)
    if cells >= MOST_CELLS_CSV:
        log.info("the matrix has %d cells: no matrix.csv, it is in cube.h5", cells)
        return
    parts = []
    for one, whole in zip(analyses, series, strict=True):
        part = whole.part(one.channels, one.times)
        n_wave, n_time = part.flux.shape
        parts.append(
            {
                "series": np.full(n_wave * n_time, one.name, object),
                "time": np.repeat(part.time, n_wave),
                "wavelength": np.tile(part.wavelength, n_time),
                "flux": part.flux.T.ravel(),
                "error": part.error.T.ravel(),
                "mask": part.mask.T.ravel(),
            }
        )
    columns = {name: np.concatenate([p[name] for p in parts]) for name in MATRIX.names}
    write(columns, MATRIX, folder / "matrix.csv")


def cube_extra(
    norm: Normalised, hours: FloatArray
) -> Mapping[str, tuple[npt.ArrayLike, tuple[str, ...], str, str]]:
    """Variables of the cube beside flux, error and mask."""
    visit = visit_numbers(norm.ranges, len(norm.series.time))
    return {
        "normalised": (norm.matrix().T, ("time", "wavelength"), "", "flux over the median spectrum"),
        "median_spectrum": (norm.median, ("wavelength",), norm.series.flux_unit, "median over the baseline"),
        "visit": (visit, ("time",), "", "number of the visit, from 1"),
        "hours": (hours, ("time",), "h", "hours since the first valid integration of the dataset"),
    }


def main(job: Job) -> None:
    """Write tables, metrics, cube and store of one dataset."""
    settings: Settings = settings_of(job)
    progress = Progress(job.log)
    folder: Path = job.output.products
    folder.mkdir(parents=True)
    facts = json.loads(job.input.summary.read_text(encoding="utf-8"))
    series = read_series_file(job.input.series)
    # A list of blocks reaches a step as a list of mappings.
    bands, warnings = make_bands([dict(band) for band in settings.bands])
    progress.stage("normalise", 0, max(len(series), 1))
    analyses: list[Analysis] = []
    norms: list[Normalised] = []
    zero = first_valid_time(series) if series else 0.0
    try:
        for number, one in enumerate(series, 1):
            analysis, norm, remarks = analyse(one, zero, bands, settings)
            analyses.append(analysis)
            norms.append(norm)
            warnings += remarks
            progress.stage("metrics", number, len(series))
    except RangeError as error:
        log.warning("%s", error)
        facts = {**facts, "outcome": Outcome.BAD_RANGE.value, "detail": str(error)}
        series, analyses, norms = [], [], []
    facts["warnings"] = warnings + _band_warnings(bands, analyses)
    for warning in facts["warnings"]:
        log.warning("%s", warning)
    facts["zero_time"] = zero
    _write_documents(folder, facts, analyses, bands)
    if series:
        write_tables(folder, analyses, series, bands, settings)
        if "csv" in settings.formats:
            write_matrix(folder, analyses, series)
    if "hdf5" in settings.formats:
        _write_cube(folder / "cube.h5", norms, analyses, max(job.threads, 1))
    shutil.copyfile(job.input.bad_inputs, folder / "bad_inputs.ecsv")
    write_analyses(job.output.analysis, analyses, bands, facts)
    progress.done()


def _band_warnings(bands: Sequence[Band], analyses: Sequence[Analysis]) -> list[str]:
    empty = [b.name for b in bands if analyses and not any(b.channels(a.wavelength).any() for a in analyses)]
    return [f"band {name!r} has no channel inside" for name in empty]


def _write_documents(
    folder: Path, facts: dict[str, Any], analyses: Sequence[Analysis], bands: Sequence[Band]
) -> None:
    quality = {
        a.name: {
            **a.metrics,
            "channel": {
                "wavelength_um": _listed(a.wavelength),
                "scatter": _listed(a.channel.scatter),
                "scatter_diff": _listed(a.channel.scatter_diff),
                "error": _listed(a.channel.error),
                "excess": _listed(a.channel.excess),
            },
        }
        for a in analyses
    }
    shown = [
        {
            "name": a.name,
            "wavelength_um": [float(a.wavelength[0]), float(a.wavelength[-1])],
            "hours": [float(a.hours[0]), float(a.hours[-1])],
            "channels": len(a.wavelength),
            "integrations": len(a.time),
            "visits": [[float(a.hours[s]), float(a.hours[e - 1])] for s, e in a.ranges],
        }
        for a in analyses
    ]
    metadata = {**facts, "bands": [asdict(b) for b in bands], "shown": shown}
    for name, document in (("quality.json", quality), ("metadata.json", metadata)):
        text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False)
        (folder / name).write_text(text + "\n", encoding="utf-8")


def _listed(values: FloatArray) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]


def _write_cube(path: Path, norms: Sequence[Normalised], analyses: Sequence[Analysis], threads: int) -> None:
    names = group_names([norm.series for norm in norms])
    extra = [cube_extra(norm, one.hours) for norm, one in zip(norms, analyses, strict=True)]
    log.info("cube.h5: %s", ", ".join(names))
    write_series(
        path,
        [norm.series for norm in norms],
        compress=True,
        threads=threads,
        extra=extra,
        attributes={"version": version("ephemera")},
    )
