import math
from dataclasses import replace
from functools import reduce

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.histogram import add, histogram_of, load, save
from ephemera.survey.histogram_arrays import Histogram, cells_of, count, places_of
from ephemera.survey.histogram_axes import OVER, UNDER, UNKNOWN, ClosedAxis, OpenAxis, TextAxis
from ephemera.survey.histogram_sum import total_of
from survey_data import settings_of

SETTINGS = settings_of("histogram")


def made(n, seed, name, filters="gr", exptime=(30.0, 95.04), settings=SETTINGS):
    rng = np.random.default_rng(seed)
    epochs = {
        "snr": np.where(rng.random(n) < 0.05, np.nan, rng.normal(scale=9, size=n)),
        "dmag": rng.normal(size=n),
        "offset": rng.normal(scale=2, size=n),
        "qflag": rng.random(n) < 0.1,
        "bad": rng.random(n) < 0.05,
        "live": rng.choice([30.0, 95.04, 0.123457], n),
    }
    mag = np.where(rng.random(n) < 0.1, np.nan, rng.uniform(14, 22, n))
    return histogram_of(
        epochs, np.arange(n), rng.choice(exptime, n), rng.choice(list(filters), n), mag, [name], settings
    )


def same(one, other):
    assert (one.mag, one.exptime, one.filter, one.sources) == (
        other.mag,
        other.exptime,
        other.filter,
        other.sources,
    )
    assert np.array_equal(one.exposure_us, other.exposure_us)
    assert one.scores.keys() == other.scores.keys()
    for name, counts in one.scores.items():
        twin = other.scores[name]
        assert np.array_equal(counts.counts, twin.counts)
        assert (counts.underflow, counts.overflow, counts.unknown) == (
            twin.underflow,
            twin.overflow,
            twin.unknown,
        )


def test_default_axes():
    counts = made(10, 0, "a").scores["all_scores", "snr"]
    assert (counts.axis.n, counts.axis.centres[0], counts.axis.centres[-1]) == (401, -20.0, 20.0)
    assert counts.axis.centres[200] == 0.0


def test_edges_lie_half_a_step_from_centres():
    axis = ClosedAxis("x", 0.0, 1.0, 3)
    values = [-0.6, -0.5, 0.49, 0.5, 2.49, 2.5, np.nan, np.inf, -np.inf]
    assert axis.bins(values).tolist() == [UNDER, 0, 0, 1, 2, OVER, UNKNOWN, OVER, UNDER]


VALUE = st.floats(-4, 4) | st.sampled_from([math.nan, math.inf, -math.inf])


@given(st.lists(st.tuples(VALUE, VALUE, st.integers(0, 1), st.integers(0, 2)), max_size=40))
def test_counts_are_those_made_one_by_one(epochs):
    """The twin: what each epoch is, said word for word."""
    axis = ClosedAxis("score", -1.0, 0.5, 5)
    frame = Histogram(
        ClosedAxis("mag", 0.0, 1.0, 3), OpenAxis("exptime", 30.0, 1.0, (0, 4)), TextAxis("f", tuple("gri"))
    )
    expected = np.zeros((5, 3, 2, 3), int)
    outside = {"underflow": 0, "overflow": 0, "unknown": 0}
    for value, mag, exptime, label in epochs:
        places = [(value + 1.0) / 0.5 + 0.5, mag + 0.5]
        if any(math.isnan(place) for place in places):
            outside["unknown"] += 1
        elif any(place < 0 for place in places):
            outside["underflow"] += 1
        elif any(place >= n for place, n in zip(places, (5, 3), strict=True)):
            outside["overflow"] += 1
        else:
            expected[int(places[0]), int(places[1]), exptime, label] += 1
    values, mags = (np.array([e[k] for e in epochs], float) for k in (0, 1))
    numbers = (np.array([e[k] for e in epochs], np.int64) for k in (2, 3))
    found = count(axis, frame, places_of(axis, frame, values, cells_of(frame, mags, *numbers)))
    assert np.array_equal(found.counts, expected)
    assert {name: getattr(found, name) for name in outside} == outside
    assert found.total == len(epochs)


@given(st.integers(0, 300), st.integers(0, 9))
def test_no_epoch_is_lost(n, seed):
    histogram = made(n, seed, "a")
    assert histogram.scores["all_scores", "snr"].total == n
    assert histogram.scores["all_scores", "dmag"].total == n
    assert histogram.scores["quality_values", "offset"].total == n


def test_good_scores_leave_out_flagged_epochs():
    histogram = made(500, 1, "a")
    rng_flags = 500 - histogram.scores["good_scores", "snr"].total
    assert 20 < rng_flags < 90


def test_sums_do_not_depend_on_the_order():
    parts = [made(200, 1, "a", "gr"), made(150, 2, "b", "ri", (7.0, 30.0)), made(50, 3, "c", "z", (600.0,))]
    total = reduce(add, parts)
    same(total, reduce(add, parts[::-1]))
    same(total, add(parts[1], add(parts[0], parts[2])))
    same(total, parts[0] + parts[1] + parts[2])
    assert total.scores["all_scores", "snr"].total == 400
    assert total.sources == ("a", "b", "c")
    assert total.exptime.k == (-23, 0, 65, 570)


@given(st.integers(1, 9))
def test_the_sum_of_many_is_that_of_all_in_turn(n):
    parts = [made(20, k, f"s{k}", "gri"[k % 3]) for k in range(n)]
    same(total_of(iter(parts)), reduce(add, parts))
    with pytest.raises(ValueError, match="no histograms"):
        total_of([])


def test_a_source_counted_twice_is_an_error():
    with pytest.raises(ValueError, match="in both histograms: a"):
        add(made(5, 1, "a"), made(5, 2, "a"))


def test_axes_must_fit():
    other = replace(made(5, 1, "b"), exptime=OpenAxis("exptime", 30.5, 1.0, (0,), "s"))
    with pytest.raises(ValueError, match="start and step"):
        add(made(5, 1, "a"), other)
    with pytest.raises(ValueError, match="one axis"):
        add(made(5, 1, "a"), replace(made(5, 1, "b"), mag=ClosedAxis("mag", 14.0, 0.5, 13, "mag")))


def test_counts_that_outgrow_their_type_are_an_error():
    small = settings_of("histogram", histogram={"dtype": "uint16"})

    def constant(n, name):
        epochs = {k: np.zeros(n) for k in ("snr", "dmag", "offset", "qflag", "bad", "live")}
        return histogram_of(
            epochs, np.arange(n), np.full(n, 30.0), ["g"] * n, np.full(n, 18.0), [name], small
        )

    with pytest.raises(OverflowError, match="uint16"):
        constant(70_000, "a")
    with pytest.raises(OverflowError, match="exceeds uint16"):
        add(constant(40_000, "a"), constant(40_000, "b"))


def test_files_come_back_and_xarray_opens_them(tmp_path):
    histogram = made(300, 4, "a") + made(10, 5, "b", "z")
    save(histogram, tmp_path / "one.nc")
    save(histogram, tmp_path / "two.nc")
    same(load(tmp_path / "one.nc"), histogram)
    assert (tmp_path / "one.nc").read_bytes() == (tmp_path / "two.nc").read_bytes()
    with xr.open_dataset(tmp_path / "one.nc", engine="h5netcdf") as top:
        assert top["filter"].values.tolist() == ["g", "r", "z"]
        assert top.exposure_seconds.sum() == pytest.approx(histogram.exposure.sum())
    with xr.open_dataset(tmp_path / "one.nc", engine="h5netcdf", group="all_scores") as scores:
        assert int(scores.snr_counts.sum()) == int(histogram.scores["all_scores", "snr"].counts.sum())


def test_nothing_can_be_counted(tmp_path):
    empty = made(0, 0, "a")
    save(empty, tmp_path / "none.nc")
    total = add(load(tmp_path / "none.nc"), made(20, 1, "b"))
    assert total.scores["all_scores", "snr"].total == 20
