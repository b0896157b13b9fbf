from __future__ import annotations

import numpy as np
import pytest

from ephemera.xmm import run_images as module
from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.run_images import run_images, significance_image, unexplained_images
from xmm_cubes import cube_of, dense_counts


def searched(counts, **frames):
    cube = cube_of(counts, **frames)
    seen = cube.image(cube.frames.usable) > 0
    return cube, build_expectation(cube, seen, np.zeros(seen.shape, bool))


def counts(seed=0, mean=1.0, n_frames=40, side=12):
    made = np.random.default_rng(seed).poisson(mean, (n_frames, side, side))
    made[:, 4, 5] += np.random.default_rng(seed + 1).poisson(60, n_frames)
    made[7, 4, 5] = 0
    made[9, 2, 3] = 20
    made[:, :, 0] = 0
    return made


def brute_force(cube, expectation):
    mu = expectation.dense()
    n = dense_counts(cube)
    known = np.isfinite(mu)
    mu = np.where(known, np.maximum(mu, 1e-6), 1.0)
    peak = np.where(known & (n > mu), sigma_equivalent_peak(log10_bayes_peak(n, mu)), 0).max(axis=0)
    eclipse = np.where(known & (n < mu), sigma_equivalent_eclipse(log10_bayes_eclipse(n, mu)), 0).max(axis=0)
    return np.where(expectation.footprint, np.where(peak >= eclipse, peak, -eclipse), np.nan)


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
@pytest.mark.parametrize("frames", [{}, {"bti": range(20, 40), "bccd": [0, 39]}])
def test_the_significance_is_the_largest_over_all_cells(monkeypatch, block, frames):
    monkeypatch.setattr(module, "BLOCK_CELLS", block)
    cube, expectation = searched(counts(), **frames)
    image = significance_image(cube, expectation)
    np.testing.assert_allclose(image, brute_force(cube, expectation), atol=1e-9)
    assert image[4, 5] < -3
    assert image[2, 3] > 3
    assert np.isnan(image[:, 0]).all()


def test_even_no_counts_are_no_eclipse_where_little_is_expected():
    assert sigma_equivalent_eclipse(log10_bayes_eclipse(0, module.LEAST_ECLIPSE_MU)) == 0


def test_images_are_those_of_the_model():
    cube, expectation = searched(counts(), bti=range(20), bccd=[39])
    images = run_images(cube, expectation)
    np.testing.assert_array_equal(images.counts, counts()[:39].sum(axis=0))
    np.testing.assert_array_equal(images.good[images.footprint], expectation.templates[0][images.footprint])
    np.testing.assert_array_equal(images.bad[images.footprint], expectation.templates[1][images.footprint])
    assert np.isnan(images.good[~images.footprint]).all()
    np.testing.assert_array_equal(images.source, expectation.source.sum(axis=0))
    assert images.named()["COUNTS"].dtype == np.int32
    assert images.named()["MASK"].dtype == np.bool_


@pytest.mark.parametrize(("bti", "missing"), [((), "TEMPLATE_BAD"), (range(40), "TEMPLATE_GOOD")])
def test_a_template_without_frames_is_not_there(bti, missing):
    images = run_images(*searched(counts(), bti=bti))
    assert {"TEMPLATE_GOOD", "TEMPLATE_BAD"} - set(images.named()) == {missing}


def test_without_an_expectation_the_counts_are_left():
    images = unexplained_images(cube_of(counts(), bccd=[9]))
    np.testing.assert_array_equal(images.counts, np.delete(counts(), 9, axis=0).sum(axis=0))
    assert list(images.named()) == ["COUNTS"]
    assert not images.explained


def test_without_usable_frames_all_counts_are_shown():
    images = unexplained_images(cube_of(counts(), bccd=range(40)))
    np.testing.assert_array_equal(images.counts, counts().sum(axis=0))
