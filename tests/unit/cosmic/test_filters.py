"""Copies, repeats, cuts, many beams: counts add up, nothing is lost, the strongest stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.cosmic.events import arrays
from ephemera.cosmic.filters import (
    NONE,
    Filtered,
    apply_cuts,
    near_pairs,
    remove_copies,
    remove_many_beams,
    remove_repeats,
    suppress,
)
from ephemera.cosmic.hits import read_hits


def hits_of(**columns):
    """Columns of hits; what is not given is the same for all."""
    n = len(next(iter(columns.values())))
    base = {
        "freq_mhz": np.arange(n) * 1.0 + 1000,
        "index": np.arange(n) * 1.0,
        "drift_steps": np.full(n, 5.0),
        "drift_rate_hz_s": np.full(n, 0.5),
        "snr": np.full(n, 10.0),
        "coarse_channel": np.zeros(n),
        "beam": np.zeros(n),
        "n_time": np.full(n, 16.0),
        "power": np.full(n, np.nan),
        "incoherent_power": np.full(n, np.nan),
        "fch1_mhz": np.arange(n) * 1.0 + 999,
        "foff_hz": np.full(n, 2.0),
        "tstart_mjd": np.full(n, 60000.0),
        "tsamp_s": np.full(n, 0.5),
        "beam_kind": np.full(n, "coherent", object),
    }
    return base | {name: np.asarray(values) for name, values in columns.items()}


def plain_suppress(strength, pairs):
    """From the strongest down, each that is still there suppresses its neighbours."""
    order = sorted(range(len(strength)), key=lambda k: (-strength[k], k))
    result = [NONE] * len(strength)
    for place, k in enumerate(order):
        if result[k] != NONE:
            continue
        for other in order[place + 1 :]:
            if result[other] == NONE and ((k, other) in pairs or (other, k) in pairs):
                result[other] = k
    return result


@settings(max_examples=200)
@given(data=st.data(), n=st.integers(1, 12))
def test_suppression_equals_its_plain_definition(data, n):
    strength = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), float)
    every = [(a, b) for a in range(n) for b in range(a + 1, n)]
    pairs = data.draw(st.lists(st.sampled_from(every), unique=True)) if every else []
    first, second = (np.array([p[k] for p in pairs], np.int64) for k in (0, 1))
    assert suppress(strength, first, second).tolist() == plain_suppress(strength, set(pairs))


@settings(max_examples=100)
@given(
    place=st.lists(st.integers(0, 30), min_size=1, max_size=15),
    reach=st.integers(0, 6),
    data=st.data(),
)
def test_pairs_are_all_that_are_near(place, reach, data):
    group = data.draw(st.lists(st.integers(0, 1), min_size=len(place), max_size=len(place)))
    reaches = np.array([reach + k % 3 for k in range(len(place))], float)
    first, second = near_pairs(np.array(place, float), reaches, np.array(group))
    found = {tuple(sorted(pair)) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    expected = {
        (a, b)
        for a in range(len(place))
        for b in range(a + 1, len(place))
        if group[a] == group[b] and abs(place[a] - place[b]) <= max(reaches[a], reaches[b])
    }
    assert found == expected
    assert len(first) == len(found)


def test_copies_keep_the_first():
    hits = hits_of(freq_mhz=[1.0, 2.0, 1.0, 1.0], index=[1.0, 2.0, 1.0, 1.0], fch1_mhz=[0.0, 0.0, 0.0, 0.5])
    found = Filtered.start(4)
    remove_copies(hits, found)
    assert found.dup_of.tolist() == [NONE, NONE, 0, NONE]
    assert found.kept.tolist() == [True, True, False, True]


@pytest.mark.parametrize("name", ["snr", "drift_steps", "beam", "power", "incoherent_power", "n_time"])
def test_any_other_field_makes_no_copy(name):
    hits = hits_of(freq_mhz=[1.0, 1.0], index=[1.0, 1.0], fch1_mhz=[0.0, 0.0])
    hits[name] = np.array([1.0, 2.0])
    found = Filtered.start(2)
    remove_copies(hits, found)
    assert found.kept.all()


@pytest.mark.real_data
def test_voyager_s_hits_are_neither_copies_nor_repeats(shared_data):
    table = read_hits(shared_data / "cosmic/voyager.hits")
    hits = arrays(table, None)
    found = Filtered.start(5)
    remove_copies(hits, found)
    remove_repeats(hits, found, None)
    assert found.kept.all()


@pytest.mark.real_data
def test_within_400_hz_one_voyager_hit_repeats_another(shared_data):
    hits = arrays(read_hits(shared_data / "cosmic/voyager.hits"), None)
    found = Filtered.start(5)
    remove_copies(hits, found)
    remove_repeats(hits, found, 400.0)
    assert found.repeat_of.tolist() == [NONE, NONE, NONE, 4, NONE]
    assert found.n_repeats.tolist() == [0, 0, 0, 0, 1]


def test_repeats_need_kind_of_beam_coarse_channel_and_drift():
    near = [1.0, 1.0 + 4e-6, 1.0 + 6e-6, 1.0 + 8e-6]
    hits = hits_of(freq_mhz=near, snr=[9.0, 20.0, 8.0, 7.0])
    hits["beam_kind"][2] = "incoherent"
    hits["drift_steps"] = np.array([5.0, 6.0, 5.0, 8.0])
    found = Filtered.start(4)
    remove_repeats(hits, found, None)
    assert found.repeat_of.tolist() == [1, NONE, NONE, NONE]
    hits["coarse_channel"] = np.array([0.0, 1.0, 0.0, 0.0])
    other = Filtered.start(4)
    remove_repeats(hits, other, None)
    assert other.kept.all()


def test_zero_drift_repeats_within_one_channel():
    hits = hits_of(freq_mhz=[1.0, 1.0 + 2e-6, 1.0 + 5e-6], drift_steps=[0.0, 0.0, 0.0])
    found = Filtered.start(3)
    remove_repeats(hits, found, None)
    assert found.repeat_of.tolist() == [NONE, 0, NONE]


def test_cuts_name_their_reason():
    hits = hits_of(
        snr=[5.0, 20.0, 20.0, 20.0, 20.0, 20.0],
        drift_rate_hz_s=[1.0, 0.001, 9.0, 1.0, 1.0, np.nan],
        freq_mhz=[1.0, 2.0, 3.0, 1575.42, 5.0, 6.0],
        drift_steps=[5.0, 5.0, 5.0, 5.0, 0.0, 5.0],
    )
    found = Filtered.start(6)
    apply_cuts(
        hits,
        found,
        snr_min=10.0,
        drift_min=0.01,
        drift_max=4.0,
        drop_zero=True,
        bands=[("GPS L1", 1560.0, 1590.0)],
    )
    reasons = ["snr", "drift too small", "drift too large", "band GPS L1", "zero drift", ""]
    assert found.reason.tolist() == reasons
    (count,) = found.counts
    assert (count.n_in, count.n_out, count.n_removed) == (6, 1, 5)
    assert "GPS L1 1560-1590 MHz" in count.parameters


def test_a_signal_in_half_of_the_beams_is_marked():
    hits = hits_of(freq_mhz=[1.0, 1.0 + 3e-6, 5.0, 1.0 + 300e-6], beam=[0.0, 1.0, 0.0, 2.0])
    for n_beams, kept in ((4, [False, False, True, True]), (5, [True] * 4), (None, [True] * 4)):
        found = Filtered.start(4)
        remove_many_beams(hits, found, n_beams=n_beams, n_antennas=None, tolerance=10)
        assert found.kept.tolist() == kept
        assert found.n_beams.tolist() == [2, 2, 1, 1]


def test_repeats_of_a_signal_in_other_beams_count_as_beams():
    hits = hits_of(freq_mhz=[1.0, 1.0], beam=[0.0, 1.0], snr=[20.0, 10.0])
    found = Filtered.start(2)
    remove_repeats(hits, found, None)
    assert found.reason.tolist() == ["", "repeat"]
    remove_many_beams(hits, found, n_beams=2, n_antennas=25, tolerance=10)
    assert found.reason.tolist() == ["multi_beam", "repeat"]


def test_two_hits_of_one_beam_are_one_beam():
    hits = hits_of(freq_mhz=[1.0, 1.0 + 3e-6], beam=[0.0, 0.0])
    found = Filtered.start(2)
    remove_many_beams(hits, found, n_beams=2, n_antennas=None, tolerance=10)
    assert found.n_beams.tolist() == [1, 1]
    assert found.kept.all()


@pytest.mark.parametrize(("incoherent_snr", "kept"), [(8.9, True), (9.1, False)])
def test_a_signal_too_strong_in_the_incoherent_beam_is_marked(incoherent_snr, kept):
    """1.5 x 20/5 + 3 = 9."""
    hits = hits_of(freq_mhz=[1.0, 1.0 + 3e-6], beam=[0.0, -1.0], snr=[20.0, incoherent_snr])
    hits["beam_kind"][1] = "incoherent"
    found = Filtered.start(2)
    remove_many_beams(hits, found, n_beams=4, n_antennas=25, tolerance=10)
    assert found.kept.tolist() == [kept, True]


def test_frequencies_are_carried_along_their_drift():
    late = 60000.0 + 100 / 86400
    hits = hits_of(
        freq_mhz=[1.0, 1.0 + 50e-6], beam=[0.0, 1.0], tstart_mjd=[60000.0, late], drift_rate_hz_s=[0.5, 0.5]
    )
    found = Filtered.start(2)
    remove_many_beams(hits, found, n_beams=2, n_antennas=None, tolerance=10)
    assert not found.kept.any()


@settings(max_examples=50)
@given(seed=st.integers(0, 10000), n=st.integers(0, 40))
def test_counts_add_up_and_order_does_not_matter(seed, n):
    rng = np.random.default_rng(seed)
    hits = hits_of(
        freq_mhz=1000 + rng.integers(0, 60, n) * 2e-6,
        index=np.zeros(n),
        fch1_mhz=np.zeros(n),
        snr=rng.permutation(n) + 5.0,
        drift_steps=rng.integers(-3, 4, n).astype(float),
        beam=rng.integers(0, 3, n).astype(float),
    )

    def run(columns):
        found = Filtered.start(n)
        remove_copies(columns, found)
        remove_repeats(columns, found, None)
        apply_cuts(columns, found, snr_min=9, drift_min=0, drift_max=None, drop_zero=True, bands=[])
        remove_many_beams(columns, found, n_beams=3, n_antennas=25, tolerance=10)
        return found

    found = run(hits)
    assert found.counts[0].n_in == n
    for before, after in zip(found.counts, found.counts[1:], strict=False):
        assert before.n_in == before.n_out + before.n_removed
        assert before.n_out == after.n_in
    assert found.counts[-1].n_out == found.kept.sum()
    order = rng.permutation(n)
    other = run({name: values[order] for name, values in hits.items()})
    assert other.reason.tolist() == found.reason[order].tolist()
