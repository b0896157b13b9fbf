"""Draw one observation: counts image, templates, flare curves, light curves; FITS images, DS9 regions.

Reads only what the search has saved, so that figures can be drawn again or left out at any time. Makes one
folder an observation:

    image_subset_0.png        counts, source mask, what was found and where
    templates_subset_0.png    what the expectation is made of, and what it leaves
    flare_curve_subset_0.png  flaring background, its threshold and bad times
    light_curve_<detid>.png   the most significant detections
    bright_subset_0_1.png     the brightest sources, for missions without source lists
    images_subset_0.fits      the images of the first two figures with their sky coordinates
    regions.reg               all detections for DS9
    raw_subset_0_pn.png       events in raw pixels, a panel a CCD (figures.raw_images)
    pixels_<detid>.png        light curves of the pixels of a detection (figures.max_pixel_curves)
    frames_<detid>.gif        frames around a detection as an animation (figures.max_animations)
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

from ephemera.cubes import read_json
from ephemera.figures.style import figure, plain, save
from ephemera.files import write_text
from ephemera.tables import arrays, read
from ephemera.xmm.bti import BadTime
from ephemera.xmm.cube_store import RunKey, read_cubes, run_keys
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.figure_brightest import draw_brightest
from ephemera.xmm.figure_curves import (
    curve_of,
    flare_curves,
    flare_figure_height,
    light_curve,
    light_curve_height,
)
from ephemera.xmm.figure_detections import Detections, region_file
from ephemera.xmm.figure_extras import (
    AROUND_CURVES,
    MOST_PIXELS,
    animation_frames,
    central_box,
    pixel_box,
    pixel_curves,
    raw_height,
    raw_images,
    write_animation,
)
from ephemera.xmm.figure_images import (
    Box,
    counts_image,
    counts_image_height,
    template_panels,
    template_panels_height,
)
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.image_files import sky_header, write_images
from ephemera.xmm.light_curve_files import read_light_curve
from ephemera.xmm.observation import XMM, Band, Subset
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.region_columns import ALERTS, REGIONS
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.run_images import RunImages, run_images, unexplained_images
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Rows of the outcome figure; what is more is counted.
MOST_ROWS = 30
#: Place of the columns of the outcome figure, and how many letters they hold.
OUTCOME_COLUMNS = ((0.02, 36), (0.33, 20), (0.5, 68))

#: One row of the outcome figure: what it is about, the outcome, details.
Row = tuple[str, str, str]


def main_run(keys: Sequence[RunKey]) -> RunKey | None:
    """The run whose images are drawn: of the main grid, the widest band, then the longest frames."""
    main_grid = [key for key in keys if key.grid == 0]
    return max(main_grid, key=lambda key: (key.band.high - key.band.low, key.dt), default=None)


def title_of(subset: Subset, key: RunKey | None = None) -> str:
    """Observation, object, date, cameras, and the run if there is one; safe in figures."""
    header = subset.header
    parts = [header.obsid, f"subset {subset.number}", plain(header.object_name, 30), header.date_obs[:10]]
    parts.append("+".join(subset.camera_names))
    if key is not None:
        low, high = key.band.kev
        parts.append(f"{key.dt:g} s, {low:g}-{high:g} keV")
    return plain("   ".join(part for part in parts if part), 120)


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
        own = run == (key.dt, *band)
        boxes.append(Box(x0, y0, x1, y1, detections["type"][row], int(detections.place[row]), own))
    return boxes


def detection_title(detections: Detections, row: int) -> str:
    """Two lines: identifier, place and position; kind, significance, run."""
    d = {name: values[row] for name, values in detections.columns.items()}
    of_curve = np.nanmax([d["lc_sigma_peak"], d["lc_sigma_eclipse"], 0.0])
    return (
        f"{d['detid']}   place {detections.place[row]}   RA {d['ra']:.5f} Dec {d['dec']:+.5f} (ICRS), "
        f"error {d['poserr']:.1f} arcsec\n{d['type']}, {d['best_sigma']:.1f} sigma in a pixel, "
        f"{of_curve:.1f} in the box   {d['t_bin']:g} s, {d['e_min']:g}-{d['e_max']:g} keV"
    )


def outcome_rows(subset: Subset, runs: Mapping[str, npt.NDArray[Any]], n_detections: int) -> list[Row]:
    """How the runs of a subset ended: a row for each that was not searched, and one for all others.

    `runs` are the columns of `run_columns.RUNS`, of all subsets.
    """
    name, mine = f"subset {subset.number}", runs["subset"] == subset.number
    if not mine.any():
        detail = f"{subset.span:.0f} s are too short for every frame length"
        return [(name, Outcome.NO_COMMON_TIME.value, detail)]
    searched = mine & np.isin(runs["outcome"], [Outcome.OK.value, Outcome.OK_NO_REGIONS.value])
    rows = [
        (runs["runid"][row], runs["outcome"][row], runs["detail"][row] or "")
        for row in np.flatnonzero(mine & ~searched)
    ]
    if searched.any():
        outcome = Outcome.OK if n_detections else Outcome.OK_NO_REGIONS
        by_chance = runs["n_false_expected"][searched].sum()
        chance = f", {by_chance:.2g} cells by chance" if np.isfinite(by_chance) else ""
        detail = f"{n_detections} detections in {searched.sum()} runs{chance}"
        rows.append((name, outcome.value, detail))
    return rows


def draw_outcomes(folder: Path, obsid: str, rows: Sequence[Row]) -> None:
    """Write in a figure how lists and runs ended."""
    lines = [*rows[:MOST_ROWS]]
    if len(rows) > MOST_ROWS:
        lines.append((f"and {len(rows) - MOST_ROWS} more", "", ""))
    step = 1.0 / (len(lines) + 2)
    with figure(2, height=0.2 * (len(lines) + 2)) as drawn:
        for number, row in enumerate([(obsid, "outcome", "detail"), *lines], start=1):
            look: dict[str, Any] = {
                "va": "center",
                "weight": "bold" if number == 1 else "normal",
                "parse_math": False,
            }
            for (x, longest), text in zip(OUTCOME_COLUMNS, row, strict=True):
                drawn.text(x, 1 - number * step, plain(text, longest), fontsize="small", **look)
        save(drawn, folder / "outcome.png")


def draw_flares(folder: Path, subset: Subset, bad: Mapping[float, BadTime]) -> None:
    """Draw the flare curves of a subset."""
    with figure(2, height=flare_figure_height(bad)) as drawn:
        start = subset.header.mjd(subset.t0)
        flare_curves(drawn, bad, subset.t0, subset.t1, start, title_of(subset))
        save(drawn, folder / f"flare_curve_subset_{subset.number}.png")


def draw_images(
    folder: Path, subset: Subset, key: RunKey, grid: PixelGrid, images: RunImages, boxes: Sequence[Box]
) -> None:
    """Draw the images of one run of a subset, and write them as FITS."""
    plane, name, title = subset.header.plane, f"subset_{subset.number}", title_of(subset, key)
    wcs = WCS(sky_header(grid, plane)).sub(2)
    title += "" if images.explained else "   not searched"
    with figure(2, height=counts_image_height(images)) as drawn:
        counts_image(drawn, images, wcs, boxes, title)
        save(drawn, folder / f"image_{name}.png")
    if images.explained:
        with figure(2, height=template_panels_height(images)) as drawn:
            template_panels(drawn, images, wcs, title)
            save(drawn, folder / f"templates_{name}.png")
    write_images(folder / f"images_{name}.fits", images.named(), grid, plane, cards_of(subset, key))


def cards_of(subset: Subset, key: RunKey) -> dict[str, tuple[Any, str]]:
    """Header cards that say what an image was made of."""
    header, (low, high) = subset.header, key.band.kev
    return {
        "TELESCOP": (subset.mission.upper(), "mission"),
        "INSTRUME": ("+".join(subset.camera_names), "cameras"),
        "OBS_ID": (header.obsid, "observation"),
        "OBJECT": (plain(header.object_name, 45), "object observed"),
        "DATE-OBS": (plain(header.date_obs, 30), "start of the first list"),
        "SUBSET": (subset.number, "number of the set of simultaneous lists"),
        "T_BIN": (key.dt, "[s] frame length"),
        "E_MIN": (low, "[keV] lower edge of the band"),
        "E_MAX": (high, "[keV] upper edge of the band"),
    }


def draw_light_curves(folder: Path, job: Job, detections: Detections, stops: Mapping[int, float]) -> None:
    """Draw the light curves of the most significant detections; `stops` are the ends of subsets, s."""
    cells = arrays(read(job.input.cells, ALERTS))
    for row in detections.most_significant(job.settings.max_light_curves).tolist():
        detid, best = str(detections["detid"][row]), int(detections["best_frame"][row])
        mine = cells["detid"] == detid
        curve = curve_of(
            arrays(read_light_curve(job.input.light_curves, detid)),
            stops[int(detections["subset"][row])],
            cells["frame"][mine & (cells["type"] == "peak")],
            cells["frame"][mine & (cells["type"] == "eclipse")],
        )
        with figure(2, height=light_curve_height(curve, best)) as drawn:
            light_curve(drawn, curve, best, detection_title(detections, row))
            save(drawn, folder / f"light_curve_{detid}.png")


def draw_raw(folder: Path, subset: Subset) -> None:
    """Draw the events of a subset in raw pixels, a figure a camera."""
    for header in subset.headers:
        if not (subset.events.camera == header.camera).any():
            continue
        with figure(2, height=raw_height(subset.events, header.camera)) as drawn:
            title = f"{title_of(subset)}   {header.camera_name}, raw pixels"
            raw_images(drawn, subset.events, header.camera, title)
            save(drawn, folder / f"raw_subset_{subset.number}_{header.camera.name.lower()}.png")


def draw_closely(folder: Path, job: Job, detections: Detections, subsets: Sequence[Subset]) -> None:
    """Draw pixels and frames around the most significant detections, as many as the options ask for."""
    settings = job.settings
    wanted = detections.most_significant(max(settings.max_pixel_curves, settings.max_animations)).tolist()
    headers = {subset.number: subset.header for subset in subsets}
    for number, row in enumerate(wanted):
        d = {name: values[row] for name, values in detections.columns.items()}
        band = Band.from_kev(d["e_min"], d["e_max"])
        key = RunKey(int(d["subset"]), int(d["grid"]), float(d["t_bin"]), band)
        (cube,) = read_cubes(job.input.cube, [key])
        box = [int(d[name]) for name in ("x0", "y0", "x1", "y1")]
        best = int(d["best_x"]), int(d["best_y"]), int(d["best_frame"])
        title = f"{d['detid']}   {d['type']}, {d['best_sigma']:.1f} sigma"
        if number < settings.max_pixel_curves:
            view = central_box(pixel_box(box, AROUND_CURVES, cube.grid.n), MOST_PIXELS, best[:2])
            expectation = read_expectation(job.input.expectation, key, job.input.second_pass)
            assert not isinstance(expectation, tuple)
            with figure(2, height=0.95 + 0.85 * (view[3] - view[1])) as drawn:
                start = headers[key.subset].mjd(cube.frames.t0)
                pixel_curves(drawn, cube, expectation, view, best, title, start)
                save(drawn, folder / f"pixels_{d['detid']}.png")
        if number < settings.max_animations:
            write_animation(animation_frames(cube, box, best[2], title), folder / f"frames_{d['detid']}.gif")


def draw_bright_sources(folder: Path, job: Job, subset: Subset, key: RunKey, cube: SparseCube) -> None:
    """Draw the brightest sources of a mission without source lists, whether they vary or not."""
    expectation = read_expectation(job.input.expectation, key, job.input.second_pass)
    if subset.mission != XMM and not isinstance(expectation, tuple):
        name = f"subset_{subset.number}"
        draw_brightest(folder, name, cube, expectation, subset.header)


def images_of(job: Job, key: RunKey, cube: SparseCube) -> RunImages:
    """Images of a run with the expectation that its detections are from; or without one."""
    expectation = read_expectation(job.input.expectation, key, job.input.second_pass)
    return unexplained_images(cube) if isinstance(expectation, tuple) else run_images(cube, expectation)


def main(job: Job) -> None:
    """Draw one observation."""
    folder, files = job.output.figures, job.input
    folder.mkdir(parents=True)
    subsets = read_subsets(files.events, with_events=job.settings.raw_images)
    bad = read_bad_times(files.events)
    detections = Detections(arrays(read(files.regions, REGIONS)))
    runs = arrays(read(files.runs, RUNS))
    keys = run_keys(files.cube)
    first = {key.grid: key for key in reversed(keys)}
    grids = {number: next(read_cubes(files.cube, [key])).grid for number, key in first.items()}
    ended = read_json(files.events, "outcomes")
    rows = [(row["file"] or "observation", row["outcome"], row["detail"]) for row in ended]
    for subset in subsets:
        rows += outcome_rows(subset, runs, int(np.count_nonzero(detections["subset"] == subset.number)))
        if subset.mission == XMM or any(times.curves for times in bad[subset.number].values()):
            draw_flares(folder, subset, bad[subset.number])
        if job.settings.raw_images:
            draw_raw(folder, subset)
        key = main_run([key for key in keys if key.subset == subset.number])
        if key is not None:
            (cube,) = read_cubes(files.cube, [key])
            draw_bright_sources(folder, job, subset, key, cube)
            boxes = boxes_of(detections, key, grids)
            draw_images(folder, subset, key, cube.grid, images_of(job, key, cube), boxes)
    draw_light_curves(folder, job, detections, {subset.number: subset.t1 for subset in subsets})
    draw_closely(folder, job, detections, subsets)
    planes = {subset.number: subset.header.plane for subset in subsets}
    write_text(folder / "regions.reg", region_file(detections, planes, grids))
    if any(outcome != Outcome.OK.value for _, outcome, _ in rows):
        draw_outcomes(folder, job.wildcards.obsid, rows)
    log.info("%s: %d figures", job.wildcards.obsid, sum(1 for _ in folder.glob("*.png")))
