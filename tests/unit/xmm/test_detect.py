"""One run searched as the options ask for, and once more without what was found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from builders.search_products import SETTINGS
from ephemera.xmm.background import NoBackground
from ephemera.xmm.detect import by_chance, detect, detect_again, found_row
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.significant_cells import region_cells
from reference.detection import SIDE, make_cube, random_case


def at(sigma, **options):
    return SimpleNamespace(**{**vars(SETTINGS), "threshold_sigma": sigma, **options})


def burst_case():
    """A flat background with a burst of 30 counts in one frame of pixel (6, 9), and its expectation."""
    rng = np.random.default_rng(2)
    dense = rng.poisson(1.0, (60, SIDE, SIDE))
    dense[20, 9, 6] += 30
    cube = make_cube(dense)
    everywhere, nowhere = np.ones((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)

    def build(drop_cells=None):
        return build_expectation(cube, everywhere, nowhere, drop_cells=drop_cells, smooth_sigma=0.0)

    return cube, build, dense


def test_the_second_pass_takes_a_burst_out_of_its_own_expectation():
    cube, build, dense = burst_case()
    first = detect(cube, build(), at(5.0))
    cells = first.kept
    assert list(zip(cells.i, cells.j, cells.frame, strict=True)) == [(6, 9, 20)]
    expectation, found = detect_again(cube, first, at(5.0), build)
    again = found.kept
    assert again.keys(SIDE).tolist() == cells.keys(SIDE).tolist()
    assert again.mu[0] < cells.mu[0] - 0.3  # about 30 counts over 60 frames
    assert again.sigma[0] > cells.sigma[0]
    others = np.delete(dense[:, 9, 6], 20).mean()
    assert expectation.at(6, 9, np.arange(60)).mean() == pytest.approx(others, rel=0.02)


def test_the_second_pass_hands_over_empty_cells_of_regions_too():
    cube, expectation, _ = random_case(11)
    first = detect(cube, expectation, at(3.0))
    dropped = []

    def rebuild(keys):
        dropped.append(keys)
        return expectation

    _, again = detect_again(cube, first, at(3.0), rebuild)
    assert again.cells.keys(SIDE).tolist() == first.cells.keys(SIDE).tolist()
    assert np.isin(region_cells(first.kept, np.arange(len(first.kept)), SIDE), dropped[0]).all()
    assert not np.isin(dropped[0], cube.keys).all()


def test_without_a_background_left_there_is_no_second_pass_and_the_first_one_stays():
    """A listed source is steady, and all that is beside it are two bursts that the first pass finds."""
    dense = np.zeros((60, SIDE, SIDE), int)
    dense[:, 5, 5] = 20
    dense[20, 9, 9] = dense[40, 12, 3] = 10
    cube = make_cube(dense)
    listed = np.zeros((SIDE, SIDE), bool)
    listed[5, 5] = True

    def rebuild(keys=None):
        try:
            return build_expectation(cube, dense.any(axis=0), listed, drop_cells=keys, smooth_sigma=0.0)
        except NoBackground as reason:
            return Outcome.NO_BACKGROUND, str(reason)

    expectation, options = rebuild(), at(0.05)
    first = detect(cube, expectation, options)
    assert set(zip(first.kept.i, first.kept.j, strict=True)) == {(9, 9), (3, 12)}
    again = detect_again(cube, first, options, rebuild)
    assert again.startswith("no second pass: all 1200 counts are masked")
    row = found_row(expectation, first, options, again)
    assert (row["outcome"], row["n_peaks"], row["detail"]) == ("ok", 2, again)


def test_only_bayes_factors_say_what_chance_gives():
    cube, expectation, _ = random_case(3)
    assert by_chance(expectation, at(3.0)) > 0
    older = at(3.0, detector="varimage", varimage_sigma=4.0)
    assert by_chance(expectation, older) is None
    assert found_row(expectation, detect(cube, expectation, older), older)["n_false_expected"] is None
