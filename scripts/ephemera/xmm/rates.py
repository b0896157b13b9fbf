"""Steady sources of one observation, and the images from which their count rates are measured.

Reads the events of an observation. Makes a table of sources (those of its source list with the likelihood
above 8, and bumps of the image summed over cameras) and an HDF5 file with an image of each camera. What
varies only between observations is in no single observation's detections: these sources are what the
long-term table adds to the catalogue.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.cubes import create, read_attribute
from ephemera.sky.tan import Plane
from ephemera.tables import write
from ephemera.xmm.events_store import read_bad_times, read_source_columns, read_subsets
from ephemera.xmm.long_term_columns import STEADY_SOURCES
from ephemera.xmm.observation import Band
from ephemera.xmm.rate_images import RateImage, find_bumps, rate_images, write_images
from ephemera.xmm.source_mask import SourceList

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import Rates as RateSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Listed sources below this likelihood do not count.
LEAST_LIKELIHOOD = 8.0


def bumps_of(images: list[RateImage], settings: RateSettings) -> list[dict[str, Any]]:
    """Rows of `STEADY_SOURCES` for the bumps of the images of one subset, summed over cameras."""
    counts = np.sum([image.counts.astype(np.int64) for image in images], axis=0)
    exposed = np.any([image.exposed for image in images], axis=0)
    bumps = find_bumps(counts, exposed, settings.min_sigma, settings.max_sources)
    plane = Plane(images[0].reference_ra, images[0].reference_dec)
    ra, dec = plane.to_sky(bumps.x, bumps.y)
    columns = (ra.tolist(), dec.tolist(), bumps.sigma.tolist())
    return [
        {"subset": images[0].subset, "origin": "image", "ra": a, "dec": d, "sigma": s}
        for a, d, s in zip(*columns, strict=True)
    ]


def listed(sources: SourceList, subset: int, most: int) -> list[dict[str, Any]]:
    """Rows of `STEADY_SOURCES` for the likely sources of a list, most likely first."""
    good = (sources.det_ml > LEAST_LIKELIHOOD) & np.isfinite(sources.ra) & np.isfinite(sources.dec)
    order = np.flatnonzero(good)[np.argsort(-sources.det_ml[good], kind="stable")][:most]
    return [
        {"subset": subset, "origin": "list", "ra": float(sources.ra[k]), "dec": float(sources.dec[k])}
        for k in order
    ]


def main(job: Job) -> None:
    """Write steady sources and images of one observation."""
    settings: RateSettings = job.settings
    obsid = str(read_attribute(job.input.events, "obsid"))
    sources, bad_times = read_source_columns(job.input.events), read_bad_times(job.input.events)
    band = Band.from_kev(*settings.band_kev)
    rows: list[dict[str, Any]] = []
    with create(job.output.images) as handle:
        handle.attrs["obsid"] = obsid
        for subset in read_subsets(job.input.events):
            windows = bad_times.get(subset.number, {})
            bad = windows[max(windows)].intervals if windows else np.empty((0, 2))
            images = rate_images(subset, bad, band)
            write_images(handle, images)
            rows += listed(sources, subset.number, settings.max_sources) + bumps_of(images, settings)
    write([row | {"obsid": obsid} for row in rows], STEADY_SOURCES, job.output.sources)
    log.info("%s: %d steady sources", obsid, len(rows))
