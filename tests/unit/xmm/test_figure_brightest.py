"""Bright sources of a list without a source list: which are taken, and their curves."""

from __future__ import annotations

import numpy as np

from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.figure_brightest import brightest, source_curve
from xmm_cubes import cube_of

ALL = np.ones((20, 20), bool)


def field(seed=0):
    """A flat field with two sources, of 30 and 10 counts a frame."""
    counts = np.random.default_rng(seed).poisson(0.5, (30, 20, 20))
    counts[:, 5, 5] += 30
    counts[:, 14, 12] += 10
    return cube_of(counts)


def test_the_brightest_sources_come_first_and_their_curves_hold_their_counts():
    cube = field()
    expectation = build_expectation(cube, ALL, ~ALL)
    found = brightest(cube, expectation)
    assert [(round(s.x), round(s.y)) for s in found] == [(5, 5), (12, 14)]
    curve = source_curve(cube, expectation, found[0], 60000.0)
    assert curve.n.sum() == found[0].counts
    assert np.nansum(curve.mu) > 0.95 * found[0].counts
    assert len(brightest(cube, expectation, 1)) == 1


def test_a_source_at_the_border_and_a_field_without_sources():
    counts = np.random.default_rng(1).poisson(0.5, (30, 20, 20))
    flat = cube_of(counts)
    assert brightest(flat, build_expectation(flat, ALL, ~ALL, min_source_counts=1000.0)) == []
    counts[:, 0, 19] += 20
    edge = cube_of(counts)
    (source,) = brightest(edge, build_expectation(edge, ALL, ~ALL))
    assert (round(source.x), round(source.y)) == (19, 0)
