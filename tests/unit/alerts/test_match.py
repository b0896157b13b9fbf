"""The kernel of the association: equal to its readable twin, whatever the sky and the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.alerts.match import (
    Index,
    close_pairs,
    found,
    found_one_by_one,
    found_reference,
)
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, angle_arcsec, unit_vectors


def scattered(seed, clumps, per_clump, spread, centre=(10.0, 20.0)):
    """Positions (n, 3) in clumps whose centres are a few arcsec apart."""
    random = np.random.default_rng(seed)
    base = unit_vectors(*centre)
    east = np.cross([0.0, 0.0, 1.0], base) if abs(base[2]) < 0.99 else np.array([1.0, 0.0, 0.0])
    east /= np.linalg.norm(east)
    north = np.cross(base, east)
    middle = random.uniform(-12, 12, (clumps, 2)).repeat(per_clump, axis=0)
    offset = (middle + random.normal(0, spread, middle.shape)) / ARCSEC_PER_RADIAN
    vectors = base + offset[:, :1] * east + offset[:, 1:] * north
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 8),
    st.integers(1, 8),
    st.floats(0.05, 4.0),
    st.sampled_from([(10.0, 20.0), (0.0, 0.0), (359.9999, -5.0), (123.0, 89.9999), (200.0, -89.9995)]),
    st.floats(0.3, 5.0),
)
def test_fast_and_readable_way_give_the_same_loci(seed, clumps, per_clump, spread, centre, radius):
    vectors = scattered(seed, clumps, per_clump, spread, centre)
    n = len(vectors)
    keys = [f"k{k:04d}" for k in range(n)]
    radii, weights = np.full(n, radius), np.random.default_rng(seed).uniform(0.5, 2, n)
    expected = found_reference(vectors, radii, keys, weights)
    assert np.array_equal(found(vectors, radii, keys, weights).index, expected)
    assert np.array_equal(found_one_by_one(vectors, radii, keys, weights).index, expected)


def test_loci_are_numbered_in_order_of_founding():
    vectors = unit_vectors([10, 50, 10, 90, 50], [0, 0, 0, 0, 0])
    result = found(vectors, np.full(5, 2.0), list("abcde"), np.ones(5))
    assert result.index.tolist() == [0, 1, 0, 2, 1]
    assert result.separation.tolist() == [0.0] * 5


@pytest.mark.parametrize("first", [(359.99990, 0.0), (0.0, 89.9999), (0.0, -89.99995)])
def test_wrap_and_poles_need_no_special_case(first):
    vectors = unit_vectors([first[0], first[0] + 0.0002], [first[1], first[1]])
    apart = float(angle_arcsec(np.linalg.norm(vectors[0] - vectors[1])))
    index = Index(vectors[:1], ["a"])
    assert index.match(vectors[1:], np.array([apart * 1.001])).index.tolist() == [0]
    assert index.match(vectors[1:], np.array([max(apart * 0.999, 0.1e-9)])).index.tolist() == [-1]


def test_radius_is_inclusive_and_exact():
    for radius in (0.1, 2.0, 30.0):
        base = unit_vectors(100.0, 45.0)
        north = np.array(
            [
                -np.sin(np.pi / 4) * np.cos(np.radians(100)),
                -np.sin(np.pi / 4) * np.sin(np.radians(100)),
                np.cos(np.pi / 4),
            ]
        )
        for factor, expected in ((0.999999, 0), (1.000001, -1)):
            angle = radius * factor / ARCSEC_PER_RADIAN
            vector = np.cos(angle) * base + np.sin(angle) * north
            match = Index(base[None], ["a"]).match(vector[None], np.array([radius]))
            assert match.index.tolist() == [expected]
            if expected == 0:
                assert match.separation[0] == pytest.approx(radius * factor, rel=1e-6)


def test_ties_go_to_the_smaller_founding_key():
    means = unit_vectors([10.0, 10.0], [1 / 3600, -1 / 3600])
    vector = unit_vectors([10.0], [0.0])
    assert Index(means, ["ztf:9", "ztf:1"]).match(vector, np.array([2.0])).index.tolist() == [1]
    match = Index(means, ["ztf:1", "ztf:9"]).match(vector, np.array([2.0]))
    assert match.index.tolist() == [0]
    assert match.n_candidates.tolist() == [2]
    assert match.second[0] == pytest.approx(1.0)


def test_ambiguity_counts_all_loci_in_reach():
    means = unit_vectors(np.full(4, 10.0), np.array([0.2, 0.6, -0.9, 5.0]) / 3600)
    match = Index(means, list("abcd")).match(unit_vectors([10.0], [0.0]), np.array([2.0]))
    assert match.n_candidates.tolist() == [3]
    assert match.second[0] == pytest.approx(0.6, rel=1e-6)


def test_no_loci_and_no_alerts():
    assert Index(np.zeros((0, 3)), []).match(unit_vectors([1.0], [1.0]), np.array([2.0])).index.tolist() == [
        -1
    ]
    assert len(found(np.zeros((0, 3)), np.zeros(0), [], np.zeros(0)).index) == 0


def test_close_pairs():
    means = unit_vectors([10.0, 10.0, 20.0], [0.0, 0.5 / 3600, 0.0])
    assert close_pairs(means, 1.0) == [(0, 1, pytest.approx(0.5))]
    assert close_pairs(means[:1], 1.0) == []
    assert close_pairs(means[[0, 2]], 1.0) == []
