from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image

from builders.search_products import OBSID, figure_job, lively_counts, quiet_counts, write_observation
from ephemera.figures.style import figure
from ephemera.xmm import figure_extras
from ephemera.xmm.cube_store import RunKey
from ephemera.xmm.figure_detections import Detections
from ephemera.xmm.figures import boxes_of, main, main_run, outcome_rows, title_of
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Camera, Events
from xmm_cubes import FULL, HARD, SOFT, subset_of

BURST = f"light_curve_{OBSID}_0_10_0.2_12.0_x012y008.png"
ECLIPSE = f"light_curve_{OBSID}_0_10_0.2_12.0_x006y015.png"
OF_SUBSET = {
    "image_subset_0.png",
    "templates_subset_0.png",
    "flare_curve_subset_0.png",
    "images_subset_0.fits",
}


def drawn(job) -> dict[str, bytes]:
    main(job)
    return {path.name: path.read_bytes() for path in Path(job.output.figures).iterdir()}


def width_of(png: bytes) -> int:
    assert png.startswith(b"\x89PNG\r\n")
    return int.from_bytes(png[16:20], "big")


@pytest.fixture(scope="module")
def lively(tmp_path_factory):
    """The folder of a search that found a burst and an eclipse, and the figures of it."""
    folder = tmp_path_factory.mktemp("lively") / "products"
    job = write_observation(
        folder, {FULL: lively_counts(), HARD: quiet_counts(seed=3)}, bti=[30, 31], bccd=[50]
    )
    return folder, drawn(job)


def test_all_figures_of_an_observation_are_there_and_two_columns_wide(lively):
    _, figures = lively
    assert set(figures) >= OF_SUBSET | {"regions.reg", BURST, ECLIPSE}
    assert "outcome.png" not in figures
    assert {width_of(content) for name, content in figures.items() if name.endswith(".png")} == {1418}


def test_two_runs_give_the_same_bytes(lively):
    folder, figures = lively
    assert drawn(figure_job(folder, output="again")) == figures


def test_no_figure_stays_open(lively):
    from matplotlib import pyplot as plt

    assert lively
    assert plt.get_fignums() == []


def test_fits_images_hold_the_counts_on_the_sky(lively):
    folder, _ = lively
    counts = lively_counts()
    usable = np.arange(len(counts)) != 50
    with fits.open(folder / "figures" / "images_subset_0.fits") as hdus:
        names = {hdu.name for hdu in hdus}
        np.testing.assert_array_equal(hdus["COUNTS"].data, counts[usable].sum(axis=0))
        assert hdus["MASK"].data[15, 6] == 1
        assert hdus["SIGNIFICANCE"].data[8, 12] > 5
        assert hdus["SIGNIFICANCE"].data[15, 6] < -3
        assert hdus["COUNTS"].header["OBS_ID"] == OBSID
        ra, dec = WCS(hdus["SOURCE"].header).wcs_pix2world(11.5, 11.5, 0)
    # Two frames in bad time are too few for a template of their own: both classes have that of all frames.
    assert names == {"PRIMARY", "COUNTS", "MASK", "TEMPLATE_GOOD", "TEMPLATE_BAD", "SOURCE", "SIGNIFICANCE"}
    # The middle of 24 pixels is X = 25920.5, half a unit from the pointing.
    assert (ra, dec) == (pytest.approx(10.0, abs=1e-5), pytest.approx(0.0, abs=1e-5))


def test_regions_are_boxes_named_by_their_detections(lively):
    _, figures = lively
    lines = figures["regions.reg"].decode().splitlines()[1:]
    assert any("color=cyan" in line and "x012y008" in line for line in lines)
    assert any("color=green" in line and "x006y015" in line for line in lines)


@pytest.mark.parametrize("most", [0, 1])
def test_only_so_many_light_curves_are_drawn(lively, most):
    folder, _ = lively
    figures = drawn(figure_job(folder, most=most, output=f"most_{most}"))
    assert sum(name.startswith("light_curve") for name in figures) == most


def test_pixels_frames_and_raw_images_are_drawn_when_asked_for(lively):
    folder, figures = lively
    job = figure_job(folder, most=0, output="extras", raw_images=True, max_pixel_curves=1, max_animations=2)
    extra = drawn(job)
    best = BURST.removeprefix("light_curve_").removesuffix(".png")
    assert set(extra) - set(figures) == {
        f"pixels_{best}.png", f"frames_{best}.gif",
        ECLIPSE.replace("light_curve", "frames").replace("png", "gif"),
    }  # fmt: skip
    assert drawn(figure_job(folder, most=0, output="more", max_pixel_curves=1, max_animations=2)) == extra
    with Image.open(io.BytesIO(extra[f"frames_{best}.gif"])) as film:
        assert film.n_frames == 17
        pictures = []
        for number in range(film.n_frames):
            film.seek(number)
            pictures.append(film.convert("RGB").tobytes())
    assert len(set(pictures)) == 17


def test_raw_images_count_the_events_of_each_ccd():
    rng = np.random.default_rng(1)
    empty = Events.empty()
    columns = {
        "time": np.arange(300.0), "camera": np.full(300, Camera.PN), "ccd": rng.integers(1, 13, 300),
        "rawx": rng.integers(1, 65, 300), "rawy": rng.integers(1, 201, 300),
    }  # fmt: skip
    events = Events(
        *(np.broadcast_to(columns.get(n, 0), 300).astype(getattr(empty, n).dtype) for n in Events.COLUMNS)
    )
    with figure(2, height=figure_extras.raw_height(events, Camera.PN)) as page:
        figure_extras.raw_images(page, events, Camera.PN, "PN")
        images = [axes.images[0].get_array() for axes in page.axes if axes.images]
    assert len(images) == 12
    assert sum(image.sum() for image in images) == 300


@pytest.mark.parametrize("centre", [(10, 5), (0, 0), (29, 7)])
def test_the_pixels_shown_hold_the_best_one_and_are_not_too_many(centre):
    x0, y0, x1, y1 = figure_extras.central_box((0, 0, 30, 8), 5, centre)
    assert x1 - x0 == y1 - y0 == 5
    assert x0 <= centre[0] < x1
    assert y0 <= centre[1] < y1
    assert figure_extras.pixel_box((0, 3, 2, 24), 8, 24) == (0, 0, 10, 24)


def test_without_detections_a_figure_says_so(tmp_path):
    figures = drawn(write_observation(tmp_path / "quiet", {FULL: quiet_counts(mean=2.0)}))
    assert set(figures) == OF_SUBSET | {"regions.reg", "outcome.png"}
    assert figures["regions.reg"].decode().count("\n") == 1


def test_without_subsets_the_outcome_is_all_there_is(tmp_path):
    figures = drawn(write_observation(tmp_path / "none", {}))
    assert set(figures) == {"regions.reg", "outcome.png"}
    assert width_of(figures["outcome.png"]) == 1418


def test_a_run_that_cannot_be_searched_shows_its_counts_only(tmp_path):
    counts = quiet_counts(20)
    figures = drawn(write_observation(tmp_path / "masked", {FULL: counts}, bccd=range(20)))
    assert set(figures) == (OF_SUBSET - {"templates_subset_0.png"}) | {"regions.reg", "outcome.png"}
    with fits.open(tmp_path / "masked" / "figures" / "images_subset_0.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "COUNTS"]
        assert hdus["COUNTS"].data.sum() == counts.sum()


def test_all_bad_time_is_drawn_without_a_template_of_good_time(tmp_path):
    figures = drawn(write_observation(tmp_path / "bad", {FULL: lively_counts()}, bti=range(60)))
    assert set(figures) >= OF_SUBSET | {BURST}
    with fits.open(tmp_path / "bad" / "figures" / "images_subset_0.fits") as hdus:
        assert "TEMPLATE_GOOD" not in hdus
        assert "TEMPLATE_BAD" in hdus


def test_one_frame_is_enough(tmp_path):
    assert set(drawn(write_observation(tmp_path / "one", {FULL: quiet_counts(1)}))) >= OF_SUBSET


def test_a_band_without_counts_is_drawn(tmp_path):
    figures = drawn(write_observation(tmp_path / "empty", {FULL: np.zeros((60, 24, 24), np.int64)}))
    assert set(figures) == OF_SUBSET | {"regions.reg", "outcome.png"}


@pytest.mark.parametrize(
    "name", [r"$\frac{", "two\nlines \x07", "M 31 \N{GREEK SMALL LETTER ALPHA}", "x" * 500]
)
def test_names_of_objects_cannot_spoil_a_figure(tmp_path, name):
    job = write_observation(tmp_path / "named", {FULL: quiet_counts(5)}, object_name=name)
    assert set(drawn(job)) >= OF_SUBSET


def test_images_are_those_of_the_widest_band_and_the_longest_frames_of_the_main_grid():
    keys = [
        RunKey(0, grid, dt, band) for grid in (0, 1) for dt in (5.0, 200.0, 50.0) for band in (FULL, SOFT)
    ]
    assert main_run(keys) == RunKey(0, 0, 200.0, FULL)
    assert main_run([]) is None
    assert main_run([key for key in keys if key.grid]) is None


def test_outcomes_name_every_run_that_was_not_searched():
    subset = subset_of(Events.empty(), 0.0, 900.0)
    runs = {
        "subset": np.array([0, 0, 0, 1]),
        "runid": np.array(["a", "b", "c", "d"], object),
        "outcome": np.array(["ok", "no_background", "ok_no_regions", "ok"], object),
        "detail": np.array([None, "all masked", None, None], object),
        "n_false_expected": np.array([0.25, np.nan, 0.5, 7.0]),
    }
    assert outcome_rows(subset, runs, 3) == [
        ("b", "no_background", "all masked"),
        ("subset 0", "ok", "3 detections in 2 runs, 0.75 cells by chance"),
    ]
    assert outcome_rows(subset, runs, 0)[-1][1] == "ok_no_regions"
    nothing = {name: values[:0] for name, values in runs.items()}
    assert outcome_rows(subset, nothing, 0)[0][1] == "no_common_time"


def test_titles_say_what_is_shown():
    subset = subset_of(Events.empty(), 0.0, 900.0, (Camera.PN, Camera.M2))
    assert title_of(subset, RunKey(0, 0, 50.0, HARD)) == "0000000001   subset 0   PN+M2   50 s, 2-12 keV"


def test_boxes_of_shifted_grids_lie_where_their_pixels_are():
    grids = {0: PixelGrid(20.0), 3: PixelGrid(20.0, shift_x=200)}
    n = 2
    columns = {
        "subset": np.zeros(n, int), "grid": np.array([0, 3]), "t_bin": np.array([200.0, 5.0]),
        "e_min": np.full(n, 0.2), "e_max": np.full(n, 12.0), "type": np.array(["peak", "both"], object),
        "x0": np.full(n, 10), "y0": np.full(n, 20), "x1": np.full(n, 12), "y1": np.full(n, 21),
        "ra": np.array([1.0, 2.0]), "dec": np.zeros(n), "best_sigma": np.array([4.0, 5.0]),
        "detid": np.array(["a", "b"], object),
    }  # fmt: skip
    first, second = boxes_of(Detections(columns), RunKey(0, 0, 200.0, FULL), grids)
    assert (first.x0, first.x1, first.y0, first.y1, first.own) == (10, 12, 20, 21, True)
    assert (second.x0, second.x1, second.own, second.place) == (9.5, 11.5, False, 1)


def test_steps_that_do_not_draw_do_not_import_matplotlib():
    steps = ("events", "cube", "expectation", "detect", "regions", "features")
    script = "; ".join([f"import ephemera.xmm.{step}" for step in steps] + ["import sys"])
    script += "; print('matplotlib' in sys.modules or 'ephemera.figures' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"
