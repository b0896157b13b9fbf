import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.describing import NAMES, Extractor, feature_table, number_columns, usable_epochs
from ephemera.survey.features import period_columns
from ephemera.survey.own_features import (
    Prepared,
    asymmetry,
    autocorrelation,
    lay_out,
    own_numbers,
    prepared,
    stetson_j,
)
from ephemera.survey.periods import Series, find_boxes, find_period
from survey_data import made_up

PLAIN = Extractor("never")


@pytest.fixture(scope="module")
def extractor():
    pytest.importorskip("light_curve", reason="PACKAGE ABSENT: light-curve is not installed")
    return Extractor()


def curve_of(time, flux, error):
    return made_up(mjd=time, flux=flux, flux_err=error, bad=np.zeros(len(time), bool))


def numbers_of(time, flux, error, extractor):
    """Numbers of one light curve as a row; undefined ones are null in tables, NaN here."""
    return {k: v[0] for k, v in number_columns([curve_of(time, flux, error)], extractor).items()}


def plain(value):
    return not isinstance(value, float) or math.isfinite(value) or math.isnan(value)


def test_equal_times_are_averaged_by_weight():
    found = prepared(
        np.array([2.0, 1.0, 2.0, np.nan]), np.array([10.0, 5.0, 20.0, 1.0]), np.array([1.0, 1.0, 2.0, 1.0])
    )
    assert found.time.tolist() == [1.0, 2.0]
    assert found.flux == pytest.approx([5.0, (10 + 20 / 4) / 1.25])
    assert found.error == pytest.approx([1.0, 1.25**-0.5])


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_missing_error_makes_the_set_unweighted(wrong):
    assert prepared(np.arange(3.0), np.ones(3), np.array([1.0, wrong, 1.0])).error is None


def test_a_periodic_wave_correlates_and_noise_does_not():
    time = np.arange(400.0)
    assert autocorrelation(np.sin(time / 10)) > 0.98
    assert abs(autocorrelation(np.random.default_rng(0).normal(size=4000))) < 0.05
    assert math.isnan(autocorrelation(np.ones(10)))


def test_flares_and_dips_have_opposite_asymmetry():
    flux = np.random.default_rng(0).normal(size=400)
    flux[:20] += 20
    assert asymmetry(flux) > 0.5
    assert asymmetry(-flux) == pytest.approx(-asymmetry(flux))
    assert math.isnan(asymmetry(np.ones(5)))


def test_pairs_that_vary_together():
    time = np.repeat(np.arange(50.0), 2) + np.tile([0, 0.05], 50)
    wave = np.repeat(np.random.default_rng(1).normal(size=50), 2)
    assert stetson_j(Prepared(time, wave, np.full(100, 0.1))) > 5
    assert abs(stetson_j(Prepared(time, np.random.default_rng(2).normal(size=100), np.ones(100)))) < 0.5
    assert math.isnan(stetson_j(Prepared(np.arange(10.0), np.arange(10.0), np.ones(10))))


EPOCH = st.tuples(
    st.floats(0, 3) | st.just(math.nan),
    st.floats(-1e6, 1e6) | st.just(math.inf),
    st.floats(-0.1, 10),
    st.booleans(),
)


@given(
    st.lists(st.lists(EPOCH, max_size=12) | st.lists(EPOCH, max_size=12).map(sorted), min_size=1, max_size=6)
)
def test_many_at_once_are_the_same_as_one_by_one(curves):
    columns = [[np.array([p[k] for p in points], float) for k in range(4)] for points in curves]
    made = [made_up(mjd=t, flux=f, flux_err=e, bad=b == 1) for t, f, e, b in columns]
    many = lay_out(made)
    one_by_one = [prepared(*usable_epochs(curve)) for curve in made]
    for one, other in zip(many.curves(), one_by_one, strict=True):
        assert one.time.tolist() == other.time.tolist()
        assert one.flux.tolist() == other.flux.tolist()
        assert np.isfinite(one.flux).all()
        assert (one.error is None) == (other.error is None)
        assert one.error is None or one.error.tolist() == other.error.tolist()
    found = own_numbers(many)
    for k, one in enumerate(one_by_one):
        with np.errstate(all="ignore"):
            expected = [stetson_j(one), autocorrelation(one.flux), asymmetry(one.flux)]
            expected.append(float(np.median(one.flux)) if len(one) else math.nan)
        size = max(np.abs(one.flux).max(initial=0.0), 1.0)
        for (name, values), value in zip(found.items(), expected, strict=True):
            # Where all but rounding cancels, neither way of summing is the better one.
            if np.ptp(one.flux) > 1e-6 * size if len(one) else True:
                assert values[k] == pytest.approx(value, rel=1e-6, abs=1e-6, nan_ok=True), name
        alone = own_numbers(lay_out([made[k]]))
        assert all(np.array_equal(alone[n][0], found[n][k], equal_nan=True) for n in found)


def test_the_library_gives_28_numbers(extractor):
    assert len(NAMES) == 28
    (row,) = feature_table([made_up()], [[1, -1, -1]], extractor).to_pylist()
    assert row["mean"] == pytest.approx(100, abs=0.5)
    assert row["observation_count"] == 100
    assert row["library"] is not None
    assert (row["n_positive"], row["n_negative"], row["simulated"]) == (1, 2, False)
    assert row["median_mag"] == pytest.approx(23.9 - 2.5 * np.log10(row["median"]), abs=1e-6)
    assert row["stetson_J"] is None  # no two epochs within 0.1 d
    (alone,) = feature_table([made_up()], [[]], PLAIN, ["star:DEMO:0"]).to_pylist()
    assert (alone["simulated"], alone["injection_id"], alone["mean"]) == (True, "star:DEMO:0", None)
    assert alone["asymmetry"] == row["asymmetry"]


def test_no_light_curves_give_an_empty_table():
    assert feature_table([], [], PLAIN).num_rows == 0


def test_weighted_and_unweighted_curves_keep_their_places(extractor):
    curves = [made_up(30, seed=1), made_up(40, seed=2, flux_err=np.zeros(40)), made_up(50, seed=3)]
    rows = feature_table(curves, [[]] * 3, extractor).to_pylist()
    assert [(r["n_used"], r["weighted"], r["observation_count"]) for r in rows] == [
        (30, True, 30),
        (40, False, 40),
        (50, True, 50),
    ]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
def test_few_points_give_finite_numbers_or_null(extractor, n):
    row = numbers_of(np.arange(float(n)), np.arange(float(n)), np.ones(n), extractor)
    assert all(plain(v) for v in row.values())


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(-1e6, 1e6), st.floats(-1, 10)), max_size=30))
def test_no_light_curve_is_too_odd(points):
    time, flux, error = (np.array([p[k] for p in points], float) for k in range(3))
    row = numbers_of(time, flux, error, PLAIN)
    assert all(plain(v) for v in row.values())


def test_awkward_light_curves(shared_data, extractor):
    paths = sorted((shared_data / "survey/awkward_lc").glob("*.csv"))
    sizes = []
    for path in paths:
        frame = pd.read_csv(path)
        sizes.append(len(frame))
        value, error = ("flux", "fluxerr") if "flux" in frame else ("mag", "magerr")
        for _, band in frame.groupby("band"):
            time, values, errors = (band[c].to_numpy(float) for c in ("time", value, error))
            row = numbers_of(time, values, errors, extractor)
            assert all(plain(v) for v in row.values()), path
    assert sorted(sizes) == sorted([103, 362, 361, 107, 100, 100, 135, 114, 37, 19, 1000])


def stars(shared_data):
    folder = shared_data / "survey/rrlyrae_s82"
    periods = pd.read_csv(folder / "periods.csv").set_index("Num").Per
    for path in sorted((folder / "light-curves").glob("*.csv")):
        frame = pd.read_csv(path)
        bands = {
            name: Series(*(band[c].to_numpy(float) for c in ("time", "mag", "magerr")))
            for name, band in frame.groupby("band")
        }
        yield bands, periods[int(path.stem)]


def test_periods_of_rr_lyrae(shared_data):
    """The floor is 42 of 61 by one term in g; a second term, for their steep rise, finds more."""
    one = two = n = 0
    for bands, true in stars(shared_data):
        n += 1
        one += abs(find_period([bands["g"]], 0.2, 1.0).period / true - 1) < 1e-3
        two += abs(find_period([bands["g"]], 0.2, 1.0, n_terms=2).period / true - 1) < 1e-3
    assert n == 61
    assert one >= 42
    assert two >= one + 5


def test_bands_together(shared_data):
    bands, true = next(iter(stars(shared_data)))
    found = find_period([bands[k] for k in "gr"], 0.2, 1.0)
    assert found.period == pytest.approx(true, rel=1e-3)


def test_a_period_and_its_aliases():
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(0, 100, 300))
    wave = Series(time, np.sin(2 * np.pi * time / 3.7) + 0.1 * rng.normal(size=300), np.full(300, 0.1))
    found = find_period([wave], 0.5, 50)
    assert found.period == pytest.approx(3.7, rel=1e-3)
    assert found.power > 0.95
    assert found.false_alarm < 1e-10
    assert found.aliases == ()
    daily = Series(time, np.sin(2 * np.pi * time) + 0.1 * rng.normal(size=300))
    assert "day" in find_period([daily], 0.5, 50).aliases
    noise = find_period([Series(time, rng.normal(size=300))], 0.5, 50)
    assert noise.false_alarm > 0.01


def test_two_terms_see_through_half_the_period():
    rng = np.random.default_rng(4)
    time = np.sort(rng.uniform(0, 100, 400))
    phase = 2 * np.pi * time / 4.0
    binary = Series(
        time, np.cos(2 * phase) + 0.4 * np.cos(phase) + 0.05 * rng.normal(size=400), np.full(400, 0.05)
    )
    assert find_period([binary], 1, 10).period == pytest.approx(2.0, rel=1e-2)
    assert find_period([binary], 1, 10, n_terms=2).period == pytest.approx(4.0, rel=1e-2)


def test_nothing_to_find_is_none():
    assert find_period([Series(np.arange(3.0), np.arange(3.0))], 0.5, 5) is None
    assert find_period([Series(np.arange(30.0), np.ones(30))], 0.5, 5) is None
    assert find_period([Series(np.ones(30), np.arange(30.0))], 0.5, 5) is None
    assert find_boxes(Series(np.arange(3.0), np.ones(3)), 0.5, 5) is None
    with pytest.raises(ValueError, match="raise survey"):
        find_period([Series(np.arange(10_000.0), np.arange(10_000.0))], 1e-3, 5)


def test_columns_of_the_period_search():
    time = np.arange(0, 60, 0.1)
    flux = 100 + 20 * np.sin(2 * np.pi * time / 2.3) + np.random.default_rng(0).normal(size=len(time))
    columns = period_columns(made_up(flux=flux, step=0.1), 0.5, 20)
    assert columns["period"] == pytest.approx(2.3, rel=1e-2)
    assert 0 <= columns["period_false_alarm"] < 1e-6
    assert period_columns(made_up(2), 0.5, 20) == {}


def test_a_light_curve_too_long_for_the_shortest_period_has_no_period(caplog):
    assert period_columns(made_up(10_000), 1e-3, 5) == {}
    assert "no period searched" in caplog.text
