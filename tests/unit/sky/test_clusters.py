"""Clusters: the same for every order of the detections, everywhere on the sphere."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.sky import clusters
from ephemera.sky.clusters import cluster, sources
from ephemera.sky.sphere import chord, separation_arcsec, unit_vectors

RADIUS = 20.0


def reference_labels(ra, dec, radius):
    """Single linkage by the definition: flood every join of a full matrix of separations."""
    near = separation_arcsec(ra[:, None], dec[:, None], ra[None], dec[None]) <= radius
    labels = np.full(len(ra), -1)
    for number, start in enumerate(np.lexsort((dec, np.mod(ra, 360)))):
        reached = [start] if labels[start] < 0 else []
        while reached:
            one = reached.pop()
            labels[one] = number
            reached += list(np.flatnonzero(near[one] & (labels < 0)))
            labels[near[one]] = number
    return np.unique(labels, return_inverse=True)[1]


@st.composite
def crowds(draw):
    """Detections around one place of the sphere, also at a pole or right ascension 0."""
    n = draw(st.integers(1, 40))
    ra0, dec0 = draw(
        st.sampled_from([(0.0, 0.0), (83.6, -5.5), (359.9999, 60.0), (10.0, 90.0), (10.0, -90.0)])
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    across, up = rng.uniform(-1, 1, (2, n)) * draw(st.sampled_from([5, 50, 150])) / 3600
    dec = np.clip(dec0 + up, -90, 90)
    ra = ra0 + across / np.maximum(np.cos(np.radians(dec)), 1e-3)
    return np.mod(ra, 360), dec


@given(crowds(), st.randoms())
def test_equals_the_definition_in_any_order(crowd, random):
    ra, dec = crowd
    labels = cluster(ra, dec, RADIUS)
    np.testing.assert_array_equal(labels, reference_labels(ra, dec, RADIUS))
    order = list(range(len(ra)))
    random.shuffle(order)
    np.testing.assert_array_equal(cluster(ra[order], dec[order], RADIUS), labels[order])


@given(crowds())
def test_crowds_joined_cell_by_cell_are_the_same(crowd):
    vectors = np.unique(unit_vectors(*crowd), axis=0)
    plain = clusters._components(vectors, chord(RADIUS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "MOST_PAIRS", 0)
        np.testing.assert_array_equal(clusters._components(vectors, chord(RADIUS)), plain)


@settings(max_examples=50)
@given(crowds(), st.randoms())
def test_complete_linkage_keeps_all_members_within_the_radius(crowd, random):
    ra, dec = crowd
    labels = cluster(ra, dec, RADIUS, linkage="complete")
    near = separation_arcsec(ra[:, None], dec[:, None], ra[None], dec[None]) <= RADIUS * (1 + 1e-9)
    same = labels[:, None] == labels[None]
    assert np.all(near[same])
    single = cluster(ra, dec, RADIUS)
    assert all(len(set(single[labels == label])) == 1 for label in set(labels))
    order = list(range(len(ra)))
    random.shuffle(order)
    np.testing.assert_array_equal(cluster(ra[order], dec[order], RADIUS, linkage="complete"), labels[order])


def test_across_right_ascension_0_and_at_the_pole():
    assert cluster([359.9999, 0.0001], [0.0, 0.0], RADIUS).tolist() == [0, 0]
    assert cluster([0.0, 120.0, 240.0], [89.999, 89.999, 89.999], RADIUS).tolist() == [0, 0, 0]
    assert cluster([0.0, 180.0], [89.99, 89.99], RADIUS).tolist() == [0, 1]
    assert cluster([-0.0001, 359.9999], [5.0, 5.0], RADIUS).tolist() == [0, 0]


def test_a_chain_of_12_arcsec_steps_is_one_source():
    ra = np.arange(300) * 12 / 3600
    labels = cluster(ra, np.zeros(300), RADIUS)
    assert set(labels) == {0}
    found = sources(ra, np.zeros(300), np.ones(300), labels)
    assert found.chain.tolist() == [True]
    assert found.max_sep_arcsec[0] == pytest.approx(299 * 12)
    pairs_at_most = np.bincount(cluster(ra, np.zeros(300), RADIUS, linkage="complete"))
    assert set(pairs_at_most) <= {1, 2}
    assert 150 <= len(pairs_at_most) < 250


def test_separate_sources_stay_separate():
    rng = np.random.default_rng(1)
    ra, dec = np.repeat(np.arange(900) * 0.2, 5), np.repeat(np.linspace(-80, 80, 900), 5)
    labels = cluster(ra + rng.normal(0, 1 / 3600, 4500), dec + rng.normal(0, 1 / 3600, 4500), RADIUS)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(900), 5))


def test_labels_are_numbered_by_position():
    labels = cluster([200.0, 10.0, 200.001, 10.0], [0.0, 5.0, 0.0, -5.0], RADIUS)
    assert labels.tolist() == [2, 1, 2, 0]
    assert labels.dtype == np.int64


def test_many_equal_positions_and_none():
    assert cluster([], [], RADIUS).shape == (0,)
    labels = cluster(np.full(30_000, 5.0), np.full(30_000, 5.0), RADIUS)
    assert not labels.any()
    found = sources(np.full(30_000, 5.0), np.full(30_000, 5.0), np.ones(30_000), labels)
    assert found.n_members.tolist() == [30_000]
    assert found.max_sep_arcsec.tolist() == [0.0]


def test_no_detections_make_no_sources():
    found = sources([], [], [], [])
    assert [len(column) for column in vars(found).values()] == [0] * 7


def test_mean_position_across_right_ascension_0():
    found = sources([359.999, 0.003], [0.0, 0.0], [1.0, 1.0], [0, 0])
    assert found.ra[0] == pytest.approx(0.001, abs=1e-12)
    assert found.dec[0] == pytest.approx(0, abs=1e-12)
    assert found.max_sep_arcsec[0] == pytest.approx(14.4)
    assert found.poserr[0] == pytest.approx(1 / np.sqrt(2))
    assert not found.chain[0]


def test_weights_are_inverse_squares_of_the_errors():
    found = sources([10.0, 10.001], [0.0, 0.0], [1.0, 2.0], [7, 7])
    assert found.label.tolist() == [7]
    assert found.ra[0] == pytest.approx(10.0002, abs=1e-9)
    assert found.poserr[0] == pytest.approx(np.sqrt(0.8))


@given(crowds())
def test_largest_separation_is_that_of_some_pair(crowd):
    ra, dec = crowd
    labels = cluster(ra, dec, 60.0)
    found = sources(ra, dec, np.ones(len(ra)), labels)
    for label, largest in zip(found.label, found.max_sep_arcsec, strict=True):
        a, d = ra[labels == label], dec[labels == label]
        assert largest == pytest.approx(separation_arcsec(a[:, None], d[:, None], a, d).max(), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_largest_separation_in_bounded_memory(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    ra, dec = rng.normal(0, 1 / 3600, (2, 500))
    labels = rng.integers(0, 3, 500)
    expected = sources(ra, dec, np.ones(500), labels)
    monkeypatch.setattr(clusters, "MOST_DISTANCES", 1000)
    found = sources(ra, dec, np.ones(500), labels)
    np.testing.assert_allclose(found.max_sep_arcsec, expected.max_sep_arcsec, rtol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([np.nan], [0.0], 20.0), "ra_deg must be finite"),
        (([0.0], [91.0], 20.0), "dec_deg"),
        (([0.0], [0.0, 1.0], 20.0), "one shape"),
        ((0.0, 0.0, 20.0), "one-dimensional"),
        (([0.0], [0.0], 0.0), "radius_arcsec must be positive"),
        (([0.0], [0.0], np.nan), "radius_arcsec"),
        (([0.0], [0.0], 20.0, "average"), "linkage must be"),
    ],
)
def test_what_cluster_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        cluster(*arguments)


def test_complete_linkage_refuses_what_would_not_fit_memory(monkeypatch):
    monkeypatch.setattr(clusters, "MOST_COMPLETE", 10)
    with pytest.raises(ValueError, match="at most 10 joined detections, got 11"):
        cluster(np.arange(11) * 12 / 3600, np.zeros(11), RADIUS, linkage="complete")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], [0.0], [0.0], [0]), "poserr_arcsec must be positive and finite, got 0.0"),
        (([0.0], [0.0], [np.nan], [0]), "got nan"),
        (([0.0], [0.0], [np.inf], [0]), "got inf"),
        (([0.0], [0.0], [1.0, 2.0], [0]), "one length, got 1, 2, 1"),
    ],
)
def test_what_sources_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        sources(*arguments)


@pytest.mark.real_data
def test_catalogue_sources_stay_apart_and_their_detections_together(shared_data):
    rows = np.genfromtxt(
        shared_data / "xmm" / "catalogue" / "4xmm_slim_classified_23017.csv",
        delimiter=",", skip_header=1, usecols=(0, 1, 2),
    )  # fmt: skip
    ra, dec, poserr = rows.T
    labels = cluster(ra, dec, 1.0)
    found = sources(ra, dec, poserr, labels)
    assert len(found.ra) == labels.max() + 1 <= len(ra)
    alone = found.n_members == 1
    first = np.unique(labels, return_index=True)[1]
    np.testing.assert_allclose(found.ra[alone], ra[first][alone], atol=1e-10)
    np.testing.assert_allclose(found.poserr[alone], poserr[first][alone], rtol=1e-12)
    twice = cluster(np.tile(ra, 2), np.tile(dec, 2), 1.0)
    np.testing.assert_array_equal(twice, np.tile(labels, 2))
