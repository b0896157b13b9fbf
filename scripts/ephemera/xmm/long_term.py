"""Count rates of sources between observations: what changed from one observation to another.

Reads the sources of the catalogue, the steady sources and the images of every observation. Sources closer
than the matching radius are one. Of each, counts are summed in a circle in every image that covers it, in
each camera; the background comes from a ring without the neighbourhood of other sources:

    rate = (N - a B) / (t v c),   a = exposed pixels of the circle / of the ring,

t the exposure, v the vignetting, c the exposed share of the circle. The error is sqrt(N + a^2 B) / (t v c),
with at least one count for N. The same circle in all observations makes the ratio of two rates free of the
share of the point spread function outside it. Rates of two observations are compared over the cameras that
all observations of the source share, so that a missing camera is not a change; different filters are not
corrected for. Makes the rates by camera, the rates compared, and the table of sources with ratio and
significance.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.sky.clusters import cluster
from ephemera.sky.names import iau_names
from ephemera.sky.sphere import separation_arcsec
from ephemera.sky.tan import Plane
from ephemera.tables import numbers, read, write
from ephemera.xmm.catalogue_columns import SOURCES
from ephemera.xmm.long_term_columns import LONG_TERM, LONG_TERM_RATES, LONG_TERM_SOURCES, STEADY_SOURCES
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray
from ephemera.xmm.rate_images import PIXEL_ARCSEC, PIXEL_UNITS, SIDE, RateImage, read_images

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import LongTerm as LongTermSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Of a circle at least this share must be exposed.
LEAST_COVERED = 0.5
#: A rate is seen when it exceeds so many of its errors.
SEEN_SIGMA = 3.0

Row = dict[str, Any]


@dataclass(frozen=True)
class Targets:
    """Positions at which rates are measured, degrees, and the catalogue's id of each (0 for none)."""

    ra: FloatArray
    dec: FloatArray
    srcid: IntArray


def targets(sources: pa.Table, steady: pa.Table, radius_arcsec: float) -> Targets:
    """Sources of the catalogue and steady sources, those closer than the radius joined, by position.

    The place is the catalogue's where it has one, else that of the most significant bump (a listed source
    goes before bumps).
    """
    ra, dec = (
        np.concatenate([numbers(table, name) for table in (sources, steady)]) for name in ("ra", "dec")
    )
    srcid = np.concatenate([sources["srcid"].to_numpy(), np.zeros(len(steady), np.int64)])
    sigma = numbers(steady, "sigma")
    rank = np.concatenate([np.full(len(sources), -np.inf), np.where(np.isnan(sigma), -1e30, -sigma)])
    labels = cluster(ra, dec, radius_arcsec)
    order = np.lexsort((dec, ra, srcid, rank, labels))
    first = order[np.flatnonzero(np.diff(labels[order], prepend=-1))]
    return Targets(ra[first], dec[first], srcid[first])


@dataclass(frozen=True)
class Aperture:
    """A circle and its background ring in one image: counts, pixels of the circle, exposed pixels."""

    counts: int
    background: int
    circle: int
    exposed: int
    ring: int


def aperture(
    image: npt.NDArray[np.uint16],
    exposed: BoolArray,
    centre: tuple[float, float],
    others: FloatArray,
    radii: tuple[float, float, float],
) -> Aperture:
    """Counts around `centre` (pixels, from 0) within radii (pixels) of circle, ring inside and outside.

    Pixels of the ring within twice the radius of the circle of `others` (k, 2) do not count.
    """
    reach = int(np.ceil(radii[2])) + 1
    i0, j0 = round(centre[0]), round(centre[1])
    left, bottom = max(i0 - reach, 0), max(j0 - reach, 0)
    part = np.s_[bottom : max(j0 + reach + 1, 0), left : max(i0 + reach + 1, 0)]
    counts, lit = image[part], exposed[part]
    rows, columns = np.indices(counts.shape)
    distance = np.hypot(columns + left - centre[0], rows + bottom - centre[1])
    ring = (distance > radii[1]) & (distance <= radii[2]) & lit
    for x, y in others:
        ring &= np.hypot(columns + left - x, rows + bottom - y) > 2 * radii[0]
    inside = distance <= radii[0]
    edge = min(*centre, SIDE - 1 - centre[0], SIDE - 1 - centre[1])
    # At the border of the image, pixels of the circle are not there to be counted.
    circle = int(inside.sum()) if edge >= radii[0] else round(np.pi * radii[0] ** 2)
    return Aperture(
        int(counts[inside & lit].sum()),
        int(counts[ring].sum()),
        circle,
        int((inside & lit).sum()),
        int(ring.sum()),
    )


def rate_of(found: Aperture, exposure: float, factor: float) -> Row | None:
    """Rate and what it is made of; None where too little of the circle or no ring was exposed.

    `factor` is the vignetting.
    """
    covered = min(found.exposed / found.circle, 1.0)
    if covered < LEAST_COVERED or found.ring == 0 or exposure <= 0:
        return None
    a = found.exposed / found.ring
    scale = exposure * factor * covered
    rate = (found.counts - a * found.background) / scale
    error = float(np.sqrt(max(found.counts, 1) + a**2 * found.background)) / scale
    seen = rate >= SEEN_SIGMA * error
    return {
        "exposure": exposure,
        "vignetting": factor,
        "counts": found.counts,
        "background": a * found.background,
        "covered": covered,
        "rate": rate,
        "rate_err": error,
        "upper_limit": None if seen else max(rate, 0.0) + SEEN_SIGMA * error,
    }


def rates_in(image: RateImage, obsid: str, at: Targets, settings: LongTermSettings) -> list[Row]:
    """Rows of `LONG_TERM` for the targets that an image covers."""
    plane = Plane(image.reference_ra, image.reference_dec)
    off_axis = separation_arcsec(at.ra, at.dec, image.reference_ra, image.reference_dec) / 60
    near = np.flatnonzero(off_axis < 60)
    x, y = plane.to_plane(at.ra[near], at.dec[near])
    places = np.stack([(x - 0.5) / PIXEL_UNITS - 0.5, (y - 0.5) / PIXEL_UNITS - 0.5], axis=1)
    on = np.all((places > -0.5) & (places < SIDE - 0.5), axis=1)
    near, places = near[on], places[on]
    radius, (inner, outer) = settings.radius_arcsec, settings.background_arcsec
    radii = (radius / PIXEL_ARCSEC, inner / PIXEL_ARCSEC, outer / PIXEL_ARCSEC)
    exposed = image.exposed
    rows = []
    for k, place in zip(near.tolist(), places, strict=True):
        apart = np.hypot(*(places - place).T)
        others = places[(apart > radii[0]) & (apart <= radii[2] + 2 * radii[0])]
        found = aperture(image.counts, exposed, (float(place[0]), float(place[1])), others, radii)
        rate = rate_of(found, image.exposure, image.vignetting(off_axis[k]))
        if rate is not None:
            key = {"ltid": k + 1, "srcid": int(at.srcid[k]) or None, "obsid": obsid, "subset": image.subset}
            where = {"camera": image.camera, "mjd": image.mjd, "off_axis": float(off_axis[k])}
            rows.append(key | where | rate)
    return rows


def shared_cameras(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Cameras that all observations of a source share; where they share none, the one in most of them."""
    by_obsid: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        by_obsid[row["obsid"]].add(row["camera"])
    shared = set.intersection(*by_obsid.values())
    if shared:
        return sorted(shared)
    number = Counter(camera for cameras in by_obsid.values() for camera in cameras)
    return [min(number, key=lambda camera: (-number[camera], camera))]


def compared(rows: Sequence[Mapping[str, Any]]) -> tuple[list[Row], list[str]]:
    """Rate of one source in each observation over the shared cameras, by date, and these cameras.

    The mean of cameras and subsets is weighted by their exposure on axis, t v c.
    """
    cameras = shared_cameras(rows)
    by_obsid: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["camera"] in cameras:
            by_obsid[row["obsid"]].append(row)
    found = []
    for obsid, several in by_obsid.items():
        weight = np.array([row["exposure"] * row["vignetting"] * row["covered"] for row in several])
        rate, error, mjd = (np.array([row[name] for row in several]) for name in ("rate", "rate_err", "mjd"))
        total = weight.sum()
        found.append(
            {
                "ltid": several[0]["ltid"],
                "obsid": obsid,
                "mjd": float((weight * mjd).sum() / total),
                "rate": float((weight * rate).sum() / total),
                "rate_err": float(np.sqrt(((weight * error) ** 2).sum()) / total),
            }
        )
    return sorted(found, key=lambda row: (row["mjd"], row["obsid"])), cameras


def change(rates: Sequence[Mapping[str, Any]], min_sigma: float) -> Row:
    """How much the rates of one source differ: extremes, their ratio, significance, chi-square."""
    from scipy.special import gammaincc  # slow to import, and only two observations need it

    rate, error = (np.array([row[name] for row in rates]) for name in ("rate", "rate_err"))
    # Of equal rates the better known one.
    low, high = int(np.lexsort((error, rate))[0]), int(np.lexsort((error, -rate))[0])
    seen = rate >= SEEN_SIGMA * error
    values: Row = {
        "n_obs": len(rates),
        "n_seen": int(seen.sum()),
        "rate_min": float(rate[low]),
        "rate_max": float(rate[high]),
        "obsid_min": rates[low]["obsid"],
        "obsid_max": rates[high]["obsid"],
        "significance": float((rate[high] - rate[low]) / np.hypot(error[low], error[high])),
    }
    if seen[low]:
        ratio = float(rate[high] / rate[low])
        relative = np.hypot(error[high] / rate[high], error[low] / rate[low])
        values |= {"ratio": ratio, "ratio_err": float(ratio * relative)}
    floor = max(float(rate[high] - SEEN_SIGMA * error[high]), 0.0)
    values["ratio_low"] = floor / (max(float(rate[low]), 0.0) + SEEN_SIGMA * float(error[low]))
    mean = (rate / error**2).sum() / (1 / error**2).sum()
    chi2, dof = float((((rate - mean) / error) ** 2).sum()), len(rates) - 1
    values |= {"chi2": chi2, "dof": dof, "pval": float(gammaincc(dof / 2, chi2 / 2))}
    return values | {"variable": values["significance"] >= min_sigma}


def sources_of(
    rows: Sequence[Row], at: Targets, prefix: str, min_sigma: float
) -> tuple[list[Row], list[Row]]:
    """Rows of `LONG_TERM_SOURCES` for sources in two or more observations, and of `LONG_TERM_RATES`."""
    by_source: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        by_source[row["ltid"]].append(row)
    several = [k for k in sorted(by_source) if len({row["obsid"] for row in by_source[k]}) > 1]
    names = iau_names(at.ra[[k - 1 for k in several]], at.dec[[k - 1 for k in several]], prefix)
    sources: list[Row] = []
    rates: list[Row] = []
    for ltid, name in zip(several, names.tolist(), strict=True):
        found, cameras = compared(by_source[ltid])
        if len(found) < 2:
            continue
        where = {"ra": float(at.ra[ltid - 1]), "dec": float(at.dec[ltid - 1]), "name": name}
        key = {"ltid": ltid, "srcid": int(at.srcid[ltid - 1]) or None, "cameras": " ".join(cameras)}
        sources.append(key | where | change(found, min_sigma))
        rates += found
    return sources, rates


def measured(paths: Sequence[Path], at: Targets, settings: LongTermSettings) -> list[Row]:
    """Rows of `LONG_TERM` from the images of all observations."""
    rows: list[Row] = []
    for path in paths:
        with h5py.File(path) as handle:
            obsid, images = str(handle.attrs["obsid"]), read_images(handle)
        for image in images:
            rows += rates_in(image, obsid, at, settings)
    return sorted(rows, key=lambda row: (row["ltid"], row["mjd"], row["obsid"], row["subset"], row["camera"]))


def main(job: Job) -> None:
    """Write the long-term tables of one project."""
    settings: LongTermSettings = job.settings
    steady = pa.concat_tables([read(path, STEADY_SOURCES) for path in job.input.steady])
    at = targets(read(job.input.sources, SOURCES), steady, settings.match_arcsec)
    rows = measured(job.input.images, at, settings)
    sources, rates = sources_of(rows, at, job.settings.name_prefix, settings.min_sigma)
    write(rows, LONG_TERM, job.output.rates)
    write(rates, LONG_TERM_RATES, job.output.compared)
    for path in (job.output.sources, job.output.sources_fits):
        write(sources, LONG_TERM_SOURCES, path)
    log.info("%d targets, %d in several observations", len(at.ra), len(sources))
