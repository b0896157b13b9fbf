from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm import clean_up as module
from ephemera.xmm.cells import Cells, Kind
from ephemera.xmm.clean_up import Reason, clean_up
from reference.detection import SIDE, make_cube, make_frames, plain_clean_up

N_FRAMES = 21
MIDDLE = 10


def cell(kind, i=5, j=5, frame=MIDDLE):
    one = np.zeros(1)
    place = [np.array([value], dtype=np.int64) for value in (i, j, frame)]
    return Cells(*place, np.array([kind], dtype=np.int8), place[0], one, one, one)


def verdict(kind, dense, *, bccd=None, **place):
    frames = make_frames(len(dense), bccd=bccd)
    return Reason(clean_up(cell(kind, **place), make_cube(dense, frames))[0])


@pytest.fixture
def steady():
    """Ten counts in the box around (5, 5), a hundred elsewhere, in every frame."""
    dense = np.zeros((N_FRAMES, SIDE, SIDE), int)
    dense[:, 5, 5] = 10
    dense[:, 12, 12] = 100
    return dense


def test_a_peak_that_follows_the_frame_is_a_flaring_edge(steady):
    steady[MIDDLE] *= 3
    assert verdict(Kind.PEAK, steady) is Reason.FLARING_CCD_EDGE


def test_a_peak_in_a_steady_frame_is_kept(steady):
    steady[MIDDLE, 5, 5] = 60
    assert verdict(Kind.PEAK, steady) is Reason.KEPT


def test_a_peak_that_outgrows_the_frame_is_kept(steady):
    # The frame grows by half (a significant 4.8), the box by half and by 0.3: more than 0.25 above.
    steady[MIDDLE, 12, 12], steady[MIDDLE, 5, 5] = 150, 18
    assert verdict(Kind.PEAK, steady) is Reason.KEPT
    steady[MIDDLE, 5, 5] = 17
    assert verdict(Kind.PEAK, steady) is Reason.FLARING_CCD_EDGE


def test_the_rest_of_the_frame_must_change_by_more_than_three_sigma(steady):
    # sqrt(100 (1 + 1/10)) = 10.488: 31 counts more are 2.96 sigma, 32 are 3.05.
    steady[MIDDLE, 5, 5] = 14
    steady[MIDDLE, 12, 12] = 131
    assert verdict(Kind.PEAK, steady) is Reason.KEPT
    steady[MIDDLE, 12, 12] = 132
    assert verdict(Kind.PEAK, steady) is Reason.FLARING_CCD_EDGE


def test_an_eclipse_of_the_whole_frame_is_a_partial_exposure(steady):
    steady[MIDDLE] = steady[MIDDLE] // 5
    assert verdict(Kind.ECLIPSE, steady) is Reason.PARTIAL_EXPOSURES


def test_a_deep_eclipse_is_kept_when_the_background_is_one_count_low(steady):
    steady[MIDDLE, 5, 5], steady[MIDDLE, 12, 12] = 0, 99
    assert verdict(Kind.ECLIPSE, steady) is Reason.KEPT


def test_an_eclipse_deeper_than_the_dip_of_the_frame_is_kept(steady):
    steady[MIDDLE, 5, 5], steady[MIDDLE, 12, 12] = 0, 60
    assert verdict(Kind.ECLIPSE, steady) is Reason.KEPT
    steady[MIDDLE, 5, 5] = 4
    assert verdict(Kind.ECLIPSE, steady) is Reason.PARTIAL_EXPOSURES


def test_a_change_of_the_frame_the_other_way_rejects_nothing(steady):
    steady[MIDDLE, 5, 5], steady[MIDDLE, 12, 12] = 10, 300
    assert verdict(Kind.ECLIPSE, steady) is Reason.KEPT
    steady[MIDDLE, 12, 12] = 10
    assert verdict(Kind.PEAK, steady) is Reason.KEPT


def test_masked_frames_are_no_neighbours_and_three_neighbours_do_not_judge(steady):
    steady[MIDDLE] *= 3
    bccd = np.zeros(N_FRAMES, bool)
    bccd[MIDDLE - 5 : MIDDLE + 6] = True
    bccd[[MIDDLE, MIDDLE - 1, MIDDLE + 1, MIDDLE + 5]] = False
    assert verdict(Kind.PEAK, steady, bccd=bccd) is Reason.KEPT
    bccd[MIDDLE - 5] = False
    assert verdict(Kind.PEAK, steady, bccd=bccd) is Reason.FLARING_CCD_EDGE
    steady[MIDDLE - 3, 12, 12] = 100000  # a masked frame: its counts must not enter the means
    assert verdict(Kind.PEAK, steady, bccd=bccd) is Reason.FLARING_CCD_EDGE


def test_means_at_the_ends_are_over_the_frames_that_exist(steady):
    steady[0] *= 3
    assert verdict(Kind.PEAK, steady, frame=0) is Reason.FLARING_CCD_EDGE
    steady[-1] *= 3
    assert verdict(Kind.PEAK, steady, frame=N_FRAMES - 1) is Reason.FLARING_CCD_EDGE


def test_too_short_a_cube_judges_nothing(steady):
    steady[1] *= 3
    assert verdict(Kind.PEAK, steady[:4], frame=1) is Reason.KEPT
    assert verdict(Kind.PEAK, steady[:5], frame=1) is Reason.FLARING_CCD_EDGE


def test_boxes_do_not_wrap_around_the_grid(steady):
    # Counts at the far edges of the same and the next row would enter a box that wraps at i = 0.
    steady[:, 0, 0] = 10
    steady[:, 0:3, SIDE - 1] = 100
    steady[MIDDLE] *= 3
    steady[MIDDLE, 0, 0] = 60
    assert verdict(Kind.PEAK, steady, i=0, j=0) is Reason.KEPT
    assert verdict(Kind.PEAK, steady, i=SIDE - 1, j=SIDE - 1) is Reason.KEPT  # nothing in that box


@pytest.mark.parametrize("kind", list(Kind))
def test_an_empty_box_or_an_empty_frame_cannot_be_judged(steady, kind):
    steady[MIDDLE, 12, 12] = 300 if kind is Kind.PEAK else 0
    assert verdict(kind, steady, i=0, j=12) is Reason.KEPT
    only = np.zeros_like(steady)
    only[:, 5, 5] = 10
    only[MIDDLE, 12, 12] = 50
    assert verdict(kind, only) is Reason.KEPT


def test_no_cells():
    reason = clean_up(Cells.empty(), make_cube(np.zeros((3, SIDE, SIDE), int)))
    assert (reason.shape, reason.dtype) == ((0,), np.int8)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_equal_to_the_plain_twin_in_any_order_and_any_chunks(seed, chunk):
    rng = np.random.default_rng(seed)
    level = 0.4 * rng.gamma(3.0, 1.0, 12)
    dense = rng.poisson(level[:, None, None] * rng.gamma(1.0, 1.0, (SIDE, SIDE)))
    bccd = rng.random(12) < 0.15
    frame = rng.choice(np.flatnonzero(~bccd), 60) if (~bccd).any() else np.zeros(60, int)
    i, j, kind = rng.integers(0, SIDE, 60), rng.integers(0, SIDE, 60), rng.integers(0, 2, 60).astype(np.int8)
    zero = np.zeros(60)
    cells = Cells(i, j, frame, kind, i, zero, zero, zero)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        kept = clean_up(cells, make_cube(dense, make_frames(12, bccd=bccd))) == Reason.KEPT
    expected = [plain_clean_up(*cell, dense, bccd) for cell in zip(i, j, frame, kind, strict=True)]
    assert kept.tolist() == expected
