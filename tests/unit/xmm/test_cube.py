from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, Camera, Events
from ephemera.xmm.sparse_cube import BandIntervals, build_cube_reference, build_cubes, camera_images
from xmm_cubes import FULL, HARD, SOFT, cube_of, dense_counts, events_of, frames_of, subset_of

BANDS = (SOFT, HARD, FULL)


@st.composite
def subsets(draw, step_ms=500, span_ms=60_000):
    """Up to 60 events on a few pixels, at times that binary fractions hold exactly."""
    n = draw(st.integers(0, 60))
    t0 = draw(st.sampled_from([0.0, 92_890_829.25]))

    def column(values):
        return draw(st.lists(values, min_size=n, max_size=n))

    ticks = column(st.integers(0, span_ms // step_ms * 4))
    events = events_of(
        t0 + np.array(ticks, float) * step_ms / 4000,
        column(st.sampled_from([1, 400, 401, 25921, 51600, 51601, 51840])),
        column(st.sampled_from([1, 300, 301, 27400, 51840])),
        column(st.sampled_from([200, 500, 1999, 2000, 2001, 6000, 11999, 12000])),
        column(st.integers(0, 2)),
    )
    return subset_of(events, t0, t0 + span_ms / 1000, tuple(Camera))


def frames_by_dt(subset, *dts):
    return {dt: frames_of(subset.t0, subset.t1, dt) for dt in dts}


@given(
    subset=subsets(),
    dts=st.sampled_from([(5.0, 50.0, 200.0), (0.5,), (2.0, 3.0, 7.0), (1.5, 30.0), (7.0, 14.0, 21.0)]),
    bands=st.sampled_from(
        [BANDS, (FULL,), (Band(6000, 8000), SOFT, Band(300, 1000)), (Band(500, 2001), HARD)]
    ),
    grid=st.sampled_from([PixelGrid(), PixelGrid(15), PixelGrid(20, 200, 0), PixelGrid(4, 3, 40)]),
)
@settings(max_examples=60)
def test_one_pass_equals_the_reference(subset, dts, bands, grid):
    cubes = build_cubes(subset, grid, frames_by_dt(subset, *dts), bands)
    assert list(cubes) == [(dt, band) for dt in dts for band in bands]
    for (dt, band), cube in cubes.items():
        twin = build_cube_reference(subset, grid, cube.frames, band)
        assert cube.frames.dt == dt
        assert cube.band == band
        np.testing.assert_array_equal(cube.keys, twin.keys)
        np.testing.assert_array_equal(cube.counts, twin.counts)
        assert (cube.keys.dtype, cube.counts.dtype) == (np.int64, np.int32)


@given(subsets())
def test_no_event_is_lost_and_the_two_bands_add_up(subset):
    cubes = build_cubes(subset, PixelGrid(), frames_by_dt(subset, 5.0, 50.0), BANDS)
    for (dt, band), cube in cubes.items():
        assert cube.counts.sum() == band.contains(subset.events.pi).sum()
        soft, hard = cubes[dt, SOFT], cubes[dt, HARD]
        if band == FULL:
            assert (soft.image() + hard.image() == cube.image()).all()
            assert (soft.frame_totals() + hard.frame_totals() == cube.frame_totals()).all()


@given(subsets())
def test_longer_frames_are_unions_of_shorter_ones(subset):
    cubes = build_cubes(subset, PixelGrid(), frames_by_dt(subset, 2.0, 10.0), (FULL,))
    fine, coarse = cubes[2.0, FULL], cubes[10.0, FULL]
    merged, where = np.unique(fine.frame // 5 * np.int64(fine.n_pixels) + fine.pixel, return_inverse=True)
    np.testing.assert_array_equal(coarse.keys, merged)
    np.testing.assert_array_equal(
        coarse.counts, np.bincount(where, weights=fine.counts, minlength=len(merged))
    )


def test_cells_of_five_events_by_hand():
    events = events_of([0.0, 4.9, 5.0, 5.1, 9.0], [1, 400, 401, 401, 1], [1, 1, 1, 1, 401], 500)
    cube = build_cubes(subset_of(events, 0.0, 10.0), PixelGrid(), frames_by_dt_one(10.0, 5.0), (FULL,))[
        5.0, FULL
    ]
    first_frame, second_frame = 0, 130 * 130
    assert cube.keys.tolist() == [first_frame, second_frame + 1, second_frame + 130]
    assert cube.counts.tolist() == [2, 2, 1]
    assert cube.frame.tolist() == [0, 1, 1]
    assert cube.pixel.tolist() == [0, 1, 130]


def frames_by_dt_one(stop, dt):
    return {dt: frames_of(0.0, stop, dt)}


@pytest.mark.parametrize(
    ("pi", "soft", "hard"), [(200, 1, 0), (1999, 1, 0), (2000, 0, 1), (11999, 0, 1), (12000, 0, 1)]
)
def test_edges_of_the_bands(pi, soft, hard):
    cubes = build_cubes(
        subset_of(events_of([1.0], 5, 5, pi), 0.0, 10.0), PixelGrid(), frames_by_dt_one(10.0, 5.0), BANDS
    )
    assert [len(cubes[5.0, band].keys) for band in BANDS] == [soft, hard, 1]


def test_event_at_the_very_end_belongs_to_the_last_frame_also_when_that_is_partial():
    for stop, last in ((10.0, 1), (11.0, 2), (3.0, 0)):
        cube = build_cubes(
            subset_of(events_of([stop], 5, 5, 500), 0.0, stop),
            PixelGrid(),
            frames_by_dt_one(stop, 5.0),
            (FULL,),
        )[5.0, FULL]
        assert cube.frame.tolist() == [last]


def test_many_small_cells_need_wide_keys():
    time = np.array([0.0, 22_500.25, 44_999.5])
    events = events_of(time, [1, 25921, 51840], [51840, 25921, 1], [200, 2000, 12000])
    subset, grid = subset_of(events, 0.0, 45_000.0), PixelGrid(4)
    frames = frames_of(0.0, 45_000.0, 0.5)
    cube = build_cubes(subset, grid, {0.5: frames}, BANDS)[0.5, FULL]
    assert cube.keys[-1] > np.iinfo(np.uint32).max
    np.testing.assert_array_equal(cube.keys, build_cube_reference(subset, grid, frames, FULL).keys)


def test_a_jump_of_1e5_s_costs_no_cells():
    events = events_of([1.0, 2.0, 100_001.0], 5, 5, 500)
    subset = subset_of(events, 0.0, 100_010.0)
    cube = build_cubes(subset, PixelGrid(), {5.0: frames_of(0.0, 100_010.0, 5.0)}, (FULL,))[5.0, FULL]
    assert cube.frame.tolist() == [0, 20_000]
    assert cube.frame_totals().sum() == 3


def test_duplicate_events_are_kept():
    cube = build_cubes(
        subset_of(events_of([1.0] * 4, 5, 5, 500), 0.0, 10.0),
        PixelGrid(),
        frames_by_dt_one(10.0, 5.0),
        (FULL,),
    )
    assert cube[5.0, FULL].counts.tolist() == [4]


def test_subset_without_events_gives_empty_cubes():
    subset = subset_of(Events.empty(), 0.0, 10.0)
    for cube in build_cubes(subset, PixelGrid(), frames_by_dt(subset, 1.0, 5.0), BANDS).values():
        assert len(cube.keys) == len(cube.frame) == len(cube.pixel) == 0
        assert cube.image().shape == (130, 130)
        assert cube.image().sum() == cube.frame_totals().sum() == 0


def test_images_and_totals_of_chosen_frames_and_pixels():
    rng = np.random.default_rng(3)
    counts = rng.poisson(0.7, (12, 4, 4))
    cube = cube_of(counts, bti=(3, 4))
    np.testing.assert_array_equal(dense_counts(cube), counts)
    np.testing.assert_array_equal(cube.image(), counts.sum(axis=0))
    chosen = rng.random(12) < 0.5
    np.testing.assert_array_equal(cube.image(chosen), counts[chosen].sum(axis=0))
    frame_class = np.array([0, 1, -1] * 4, np.int8)
    images = cube.class_images(frame_class, 3)
    for c in range(3):
        np.testing.assert_array_equal(images[c], counts[frame_class == c].sum(axis=0))
    pixels = rng.random((4, 4)) < 0.5
    np.testing.assert_array_equal(cube.frame_totals(), counts.sum(axis=(1, 2)))
    np.testing.assert_array_equal(cube.frame_totals(pixels), counts[:, pixels].sum(axis=1))


def test_frame_classes_of_another_length_are_refused():
    with pytest.raises(ValueError, match="frame classes must have shape"):
        cube_of(np.ones((3, 2, 2))).image(np.ones(2, bool))


@given(subsets())
@settings(max_examples=30)
def test_camera_images_add_up_to_the_image(subset):
    frames = frames_of(subset.t0, subset.t1, 5.0)
    mask = np.arange(frames.n_frames) % 2 == 0
    cube = build_cubes(subset, PixelGrid(), {5.0: frames}, (HARD,))[5.0, HARD]
    images = camera_images(subset, PixelGrid(), frames, HARD, mask)
    np.testing.assert_array_equal(images.sum(axis=0), cube.image(mask))
    hard = HARD.contains(subset.events.pi)
    in_time = mask[np.minimum(((subset.events.time - subset.t0) // 5).astype(int), frames.n_frames - 1)]
    for camera, image in zip(Camera, images, strict=True):
        assert image.sum() == (hard & in_time & (subset.events.camera == camera)).sum()


def test_camera_images_leave_out_dropped_cells():
    events = events_of([1.0, 2.0, 7.0], 5, 5, 500, [0, 2, 2])
    subset = subset_of(events, 0.0, 10.0, (Camera.PN, Camera.M2))
    frames = frames_of(0.0, 10.0, 5.0)
    images = camera_images(subset, PixelGrid(), frames, FULL, np.ones(2, bool), np.array([0]))
    assert images.sum(axis=(1, 2)).tolist() == [0, 1]


def test_frames_must_belong_to_the_subset_and_to_their_step():
    subset = subset_of(events_of([1.0], 5, 5, 500), 0.0, 10.0)
    good = frames_of(0.0, 10.0, 5.0)
    for dt, frames in ((2.5, good), (5.0, replace(good, t0=1.0)), (5.0, replace(good, t1=11.0))):
        with pytest.raises(ValueError, match="frames_by_dt"):
            build_cubes(subset, PixelGrid(), {dt: frames}, (FULL,))
    with pytest.raises(ValueError, match="at least one time step and one band"):
        build_cubes(subset, PixelGrid(), {5.0: good}, ())


def test_elementary_intervals_of_overlapping_bands():
    intervals = BandIntervals.of([Band(200, 2000), Band(300, 1000), Band(2000, 12000)])
    assert intervals.breaks.tolist() == [200, 300, 1000, 2000, 12001]
    assert intervals.codes(np.array([0, 200, 299, 300, 2000, 12000, 12001, 65535], "u2")).tolist() == [
        0, 1, 1, 2, 4, 4, 5, 5,
    ]  # fmt: skip
    assert intervals.span(Band(200, 2000)) == (1, 4)


@pytest.mark.real_data
def test_image_of_a_real_list_equals_a_histogram_on_the_pipeline_grid(shared_data):
    with fits.open(shared_data / "xray" / "xmm_0404910601_mos2_clean_evts.fits") as hdus:
        table = hdus["EVENTS"].data
        kept = (table["X"] >= 1) & (table["Y"] >= 1) & (table["PI"] >= 200) & (table["PI"] <= 12000)
        time, x, y, pi = (table[name][kept].astype(float) for name in ("TIME", "X", "Y", "PI"))
    t0, t1 = time.min(), time.max()
    subset = subset_of(events_of(time, x, y, pi), t0, t1)
    cubes = build_cubes(subset, PixelGrid(4), frames_by_dt(subset, 5.0, 200.0), BANDS)
    edges = 0.5 + 80 * np.arange(649)
    expected, _, _ = np.histogram2d(y, x, bins=(edges, edges))
    for dt in (5.0, 200.0):
        np.testing.assert_array_equal(cubes[dt, FULL].image(), expected)
        assert cubes[dt, SOFT].counts.sum() + cubes[dt, HARD].counts.sum() == len(time)
    by_frame, _ = np.histogram(
        time, bins=np.append(t0 + 200 * np.arange(cubes[200.0, FULL].frames.n_frames), t1)
    )
    np.testing.assert_array_equal(cubes[200.0, FULL].frame_totals(), by_frame)
