"""Draw one observation: counts image, templates, flare curves, light curves; FITS images, DS9 regions.

Reads only what the search has saved, so that figures can be drawn again or left out at any time. Makes one
folder an observation:

    image_subset_0.png        counts, source mask, what was found and where
    templates_subset_0.png    what the expectation is made of, and what it leaves
    flare_curve_subset_0.png  background above 10 keV, its threshold and bad times
    light_curve_<detid>.png   the most significant detections
    images_subset_0.fits      the images of the first two figures with their sky coordinates
    regions.reg               all detections for DS9
    outcome.png               how lists and runs ended, where nothing was found or something is missing

Images are those of the widest band at the longest frames.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from astropy.wcs import WCS
from matplotlib.figure import Figure

from ephemera.figures.style import figure, plain, save
from ephemera.files import write_text
from ephemera.sky.tan import Plane
from ephemera.tables.formats import read
from ephemera.xmm.bti import BadTime
from ephemera.xmm.cube import SparseCube
from ephemera.xmm.figure_curves import Curve, curve_of, flare_curves, light_curve
from ephemera.xmm.figure_detections import Detections, region_file
from ephemera.xmm.figure_images import Box, counts_image, template_panels
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.image_files import sky_header, write_images
from ephemera.xmm.light_curve_files import read_light_curve
from ephemera.xmm.observation import Subset
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.region_columns import ALERTS, REGIONS
from ephemera.xmm.run_images import RunImages, run_images, unexplained_images
from ephemera.xmm.store import (
    RunKey,
    read_bad_times,
    read_cubes,
    read_expectation,
    read_json,
    read_subsets,
    run_keys,
)

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

SECONDS_PER_DAY = 86400.0
#: Rows of the outcome figure; what is more is counted.
MOST_ROWS = 30

#: One row of the outcome figure: what it is about, the outcome, details.
Row = tuple[str, str, str]


def main_run(keys: Sequence[RunKey], subset: int) -> RunKey | None:
    """The run whose images are drawn: of the main grid, the widest band, then the longest frames."""
    mine = [key for key in keys if key.subset == subset and key.grid == 0]
    return max(mine, key=lambda key: (key.band.high - key.band.low, key.dt), default=None)


def title_of(subset: Subset, key: RunKey | None = None) -> str:
    """Observation, object, date, cameras, and the run if there is one; safe in figures."""
    header = subset.headers[0]
    parts = [header.obsid, f"subset {subset.number}", plain(header.object_name, 30), header.date_obs[:10]]
    parts.append("+".join(camera.name for camera in subset.cameras))
    if key is not None:
        low, high = key.band.kev
        parts.append(f"{key.dt:g} s, {low:g}-{high:g} keV")
    return plain("   ".join(part for part in parts if part), 120)


def start_mjd(subset: Subset) -> float:
    """Date (MJD, TT) of the start of a subset."""
    header = subset.headers[0]
    return header.mjdref + (header.timezero + subset.t0) / SECONDS_PER_DAY


def plane_of(subset: Subset) -> Plane:
    """Tangent plane of the coordinates X, Y of a subset."""
    return Plane(subset.headers[0].reference_ra, subset.headers[0].reference_dec)


def boxes_of(detections: Detections, key: RunKey, grids: Mapping[int, PixelGrid]) -> list[Box]:
    """Boxes of all detections of the subset of a run, in pixels of the main grid."""
    boxes = []
    band = key.band.kev
    for row in np.flatnonzero(detections["subset"] == key.subset):
        run = (detections["t_bin"][row], detections["e_min"][row], detections["e_max"][row])
        number = int(detections["grid"][row])
        left, bottom, right, top = detections.edges(np.array([row]), grids[number])[:, 0]
        x0, x1 = grids[0].fraction([left, right], "x") + 0.5
        y0, y1 = grids[0].fraction([bottom, top], "y") + 0.5
        own = run == (key.dt, *band) and number == key.grid
        boxes.append(Box(x0, y0, x1, y1, detections["type"][row], int(detections.place[row]), own))
    return boxes


def detection_title(detections: Detections, row: int) -> str:
    """Two lines: identifier; place, kind, significance, run and position."""
    d = {name: values[row] for name, values in detections.columns.items()}
    return (
        f"{d['detid']}\nplace {detections.place[row]}: {d['type']}, {d['best_sigma']:.1f} sigma, "
        f"{d['t_bin']:g} s, {d['e_min']:g}-{d['e_max']:g} keV, "
        f"RA {d['ra']:.5f} Dec {d['dec']:+.5f} ({d['poserr']:.1f} arcsec)"
    )


def outcome_figure(drawn: Figure, title: str, rows: Sequence[Row]) -> None:
    """Write how lists and runs ended; the figure has a line for each row and one for the title."""
    lines = [*rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append((f"and {len(rows) - MOST_ROWS} more", "", ""))
    step = 1.0 / (len(lines) + 2)
    drawn.text(0.02, 1 - step, title, va="center", weight="bold", parse_math=False)
    for number, row in enumerate(lines, start=2):
        for x, text, longest in zip((0.02, 0.36, 0.56), row, (36, 22, 48), strict=True):
            drawn.text(x, 1 - number * step, plain(text, longest), va="center", fontsize="small", parse_math=False)


def run_outcomes(
    subsets: Sequence[Subset], cubes: Mapping[RunKey, SparseCube], images: Mapping[int, RunImages], found: set[int]
) -> list[Row]:
    """How the run that is drawn ended in each subset, as far as it was searched."""
    raise NotImplementedError
