"""Features and verdicts: equal to the full arrays, right at the rates that the rules were chosen for."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from builders.cosmic_files import SETTINGS, array_of, file_of, recipe_file, sky, stamp_bytes, voltages_of
from ephemera.cosmic.cut import cut_of
from ephemera.cosmic.features import (
    Features,
    beam_gain,
    correlations,
    eigen_features,
    gain_index,
    measure_cut,
    polarisation_balance,
    power_shares,
)
from ephemera.cosmic.flags import BadMessage, Flag
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.simulate_signals import Injection, Kind
from ephemera.cosmic.snr import legacy_local_snr, local_snr, measure
from ephemera.cosmic.stamp import open_stamps
from ephemera.cosmic.stamp_rows import Choice, describe
from ephemera.cosmic.verdict import SKY, Thresholds, Verdict, judge

SHAPE = (16, 96, 2, 25)


@pytest.fixture(scope="module")
def observed(tmp_path_factory):
    """Array and recipe that draws share, and what a stamp of them is judged to be."""
    folder = tmp_path_factory.mktemp("observed")
    array = array_of()
    recipe = Recipe(recipe_file(folder / "x.bfr5", array))

    def look(what, seed, *, given=array, has_recipe=True, **changed):
        voltages = voltages_of(SHAPE, seed, what, given)
        beam = what.beam if what is not None else 0
        message = stamp_bytes(voltages, signal={"beam": beam, **changed.pop("signal", {})}, **changed)
        path = file_of(folder / "x.stamps", message)
        (stamp,) = open_stamps(path, recipe if has_recipe else None)
        return stamp, describe(stamp, "id", Choice(stamp.recipe, 7, "prefix"), SETTINGS).stamp

    return SimpleNamespace(array=array, recipe=recipe, look=look)


@pytest.mark.parametrize("column", [48, 5, 90])
def test_a_cut_gives_what_the_full_arrays_give(observed, column):
    stamp, _ = observed.look(sky(40.0, column=column), 3, column=column)
    measured, path = measure_cut(cut_of(stamp, 20)), stamp.path()
    for ours, power in (
        (measured.classic, stamp.classic_incoherent()),
        (measured.weighted, stamp.weighted_incoherent()),
        (measured.beams[0], stamp.beam(0)),
        (measured.beams[1], stamp.beam(1)),
    ):
        full = measure(power, path)
        for name in ("power", "noise", "noise_std", "snr", "snr_legacy", "edge_q", "edge_asym"):
            assert getattr(ours, name) == pytest.approx(getattr(full, name), rel=2e-3, abs=1e-3), name
        if column == 48:
            assert ours.snr == pytest.approx(local_snr(power, path), rel=2e-3)
            assert ours.snr_legacy == pytest.approx(legacy_local_snr(power, path), rel=2e-3)
    np.testing.assert_allclose(measured.antennas.snr, measure(stamp.antenna_powers(), path).snr, rtol=1e-3)


def test_statistics_of_polarisations_add_up(observed):
    stamp, _ = observed.look(sky(40.0), 4)
    measured = measure_cut(cut_of(stamp, 20))
    np.testing.assert_allclose(measured.polarisations.excess.sum(axis=0), measured.antennas.excess, rtol=1e-6)
    assert measured.antennas.excess.sum() == pytest.approx(measured.classic.excess)


def test_a_source_in_the_beam_has_the_snr_it_was_given_and_a_gain_of_a(observed):
    rows = [observed.look(sky(100.0), seed)[1] for seed in range(20)]
    assert np.median([row["snr_coherent"] for row in rows]) == pytest.approx(100, rel=0.1)
    assert np.median([row["snr_incoherent"] for row in rows]) == pytest.approx(20, rel=0.15)
    assert np.median([row["gain"] for row in rows]) == pytest.approx(25, rel=0.1)
    assert np.median([row["gain_index"] for row in rows]) == pytest.approx(1, abs=0.1)
    assert np.median([row["coherence"] for row in rows]) == pytest.approx(1, abs=0.15)
    assert np.median([row["eig_part"] for row in rows]) > 20
    assert np.median([row["n_eff"] for row in rows]) > 19
    s = 100 / (25 * math.sqrt(32))
    assert np.median([row["path_corr"] for row in rows]) == pytest.approx(s / (1 + s), abs=0.1)


def test_times_are_given_as_unix_seconds_and_as_mjd(observed):
    """2023-12-17T12:26:43.4 is MJD 60295.5185580221."""
    _, row = observed.look(None, 1)
    assert row["tstart_unix"] == 1702816003.4131095
    assert row["tstart_mjd"] == pytest.approx(60295.5185580221, abs=1e-9)
    assert row["ra_deg"] == pytest.approx(8.63818611117221 * 15)


def test_one_antenna_has_a_gain_of_one(observed):
    rows = [observed.look(Injection(Kind.ONE_ANTENNA, 100.0, 48, 5), seed)[1] for seed in range(20)]
    assert np.median([row["snr_max"] for row in rows]) == pytest.approx(100, rel=0.12)
    assert np.median([row["gain_index"] for row in rows]) == pytest.approx(-1, abs=0.3)
    assert np.median([row["frac_max"] for row in rows]) > 0.85
    assert np.median([row["eig_part"] for row in rows]) < 1.5


#: Kind, SNR, verdicts that are right, least share of them in a small sample.
RATES = [
    (Kind.SKY, 12.0, SKY, 0.85),
    (Kind.SKY, 20.0, SKY, 0.97),
    (Kind.SKY, 50.0, SKY, 1.0),
    (Kind.SKY_POLARISED, 50.0, SKY, 1.0),
    (Kind.ONE_ANTENNA, 40.0, (Verdict.RFI_SINGLE_ANTENNA,), 0.97),
    (Kind.THREE_ANTENNAS, 40.0, (Verdict.RFI_FEW_ANTENNAS,), 0.95),
    (Kind.RANDOM_PHASES, 20.0, (Verdict.INCOHERENT_ALL,), 0.93),
]


@pytest.mark.parametrize(("kind", "snr", "right", "least"), RATES)
def test_rates_of_verdicts(observed, kind, snr, right, least):
    found = [observed.look(Injection(kind, snr, 48, 5), seed)[1]["class"] for seed in range(100)]
    assert sum(verdict in right for verdict in found) / len(found) >= least
    if kind not in (Kind.SKY, Kind.SKY_POLARISED):
        assert not any(verdict in SKY for verdict in found)


def test_noise_is_never_confirmed(observed):
    found = [observed.look(None, seed)[1]["class"] for seed in range(150)]
    assert set(found) == {"not_confirmed"}


def test_gain_and_phase_errors_that_nobody_knows_leave_a_source_sky_like(observed):
    wrong = array_of(gain_scatter=0.3, phase_errors=0.3)
    found = [observed.look(sky(20.0), seed, given=wrong)[1]["class"] for seed in range(60)]
    assert sum(verdict in SKY for verdict in found) / len(found) >= 0.93


def test_zero_drift_has_its_own_name(observed):
    what = Injection(Kind.SKY, 60.0, 48, 0)
    assert observed.look(what, 1, steps=0)[1]["class"] == "sky_like_zero_drift"
    assert observed.look(sky(60.0), 1)[1]["class"] == "sky_like"


def test_without_a_recipe_the_direction_is_unknown(observed):
    _, row = observed.look(sky(100.0), 1, has_recipe=False)
    assert row["class"] == "coherent_unknown_direction"
    assert row["snr_coherent"] is None or math.isnan(row["snr_coherent"])
    assert row["recipe_file"] is None
    _, faint = observed.look(Injection(Kind.ONE_ANTENNA, 60.0, 48, 5), 1, has_recipe=False)
    assert faint["class"] == "rfi_single_antenna"
    assert faint["ant_max"].startswith("ant")


def test_a_recomputed_power_is_compared_with_the_stored_one(observed):
    stamp, row = observed.look(sky(60.0), 2)
    on_path = stamp.beam(0)[np.arange(16), stamp.path()].sum()
    assert row["power_path"] == pytest.approx(on_path, rel=1e-4)
    assert row["power_ratio"] == pytest.approx(on_path / 1000, rel=1e-4)


@pytest.mark.parametrize("beam", [-1, 2])
def test_an_incoherent_hit_s_power_is_that_of_the_weighted_sum(observed, beam):
    stamp, row = observed.look(sky(60.0), 2, signal={"beam": beam})
    on_path = stamp.weighted_incoherent()[np.arange(16), stamp.path()].sum()
    assert row["best_beam"] == "incoherent"
    assert row["sig_beam_kind"] == "incoherent"
    assert row["power_path"] == pytest.approx(on_path, rel=1e-4)


@pytest.mark.parametrize("changed", [{"has_signal": False}, {"signal": {"numTimesteps": 4}}, {"column": 300}])
def test_without_a_path_a_stamp_is_unusable(observed, changed):
    _, row = observed.look(None, 1, **changed)
    assert row["class"] == "unusable"
    assert row["snr_local"] is None


def test_a_path_that_leaves_is_judged_with_low_confidence(observed):
    what = Injection(Kind.SKY, 60.0, 92, 12)
    _, row = observed.look(what, 1, column=92, steps=12)
    assert row["path_pixels"] < 16
    assert row["confidence"] == "low"
    assert "path_out" in row["flags"]


def test_antennas_that_are_dead_do_not_enter(observed, tmp_path):
    voltages = voltages_of(SHAPE, 1, sky(80.0), observed.array)
    voltages[..., [3, 7]] = 0
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", stamp_bytes(voltages)), observed.recipe)
    found = describe(stamp, "id", Choice(stamp.recipe, 7, ""), SETTINGS)
    assert found.stamp["n_live"] == 23
    assert "dead_antenna" in found.stamp["flags"]
    assert [row["snr"] is None for row in found.antennas] == [k in (3, 7) for k in range(25)]
    assert found.stamp["gain"] == pytest.approx(23, rel=0.2)


def test_fewer_than_three_live_antennas_are_unusable(observed, tmp_path):
    voltages = voltages_of(SHAPE, 1)
    voltages[..., 2:] = 0
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", stamp_bytes(voltages)), observed.recipe)
    assert describe(stamp, "id", Choice(stamp.recipe, 7, ""), SETTINGS).stamp["class"] == "unusable"


@pytest.mark.parametrize(("n_ant", "n_pol"), [(1, 1), (1, 2), (5, 1)])
def test_small_arrays_are_described(tmp_path, n_ant, n_pol):
    array = array_of(n_ant=n_ant, n_pol=n_pol)
    recipe = recipe_file(tmp_path / "x.bfr5", array)
    message = stamp_bytes(voltages_of((16, 96, n_pol, n_ant)))
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", message), recipe)
    found = describe(stamp, "id", Choice(stamp.recipe, 7, ""), SETTINGS)
    assert len(found.antennas) == n_ant
    assert found.antennas[0]["snr_pol1"] is None or n_pol == 2


def test_too_many_bad_pixels_reject_a_stamp(observed, tmp_path):
    voltages = voltages_of(SHAPE, 1)
    voltages[:, :20, 0, 0] = np.nan
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", stamp_bytes(voltages)), observed.recipe)
    with pytest.raises(BadMessage) as caught:
        describe(stamp, "id", Choice(stamp.recipe, 7, ""), SETTINGS)
    assert caught.value.flag is Flag.NON_FINITE


def test_some_bad_pixels_lower_the_confidence(observed, tmp_path):
    voltages = voltages_of(SHAPE, 1, sky(80.0), observed.array)
    voltages[:, 80:84, 0, 0] = np.nan
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", stamp_bytes(voltages)), observed.recipe)
    row = describe(stamp, "id", Choice(stamp.recipe, 7, ""), SETTINGS).stamp
    assert row["class"] == "sky_like"
    assert row["confidence"] == "low"
    assert "non_finite" in row["flags"]


BASE = Features(
    snr_coherent=30.0,
    snr_incoherent=6.1,
    snr_max=3.9,
    ant_max=0,
    frac_max=0.11,
    n_ant_above=0,
    n_eff=15.0,
    gain=25.0,
    coherence=1.0,
    gain_index=0.99,
    eig_frac=0.3,
    eig_part=17.0,
    pol_balance=0.0,
    zero_drift=False,
    path_corr=0.2,
    n_live=25,
)


def verdict_of(has_recipe=True, flags=(), bad_frac=0.0, **changed):
    features = Features(**{**vars(BASE), **changed})
    return judge(features, flags, has_recipe=has_recipe, bad_frac=bad_frac)


@pytest.mark.parametrize(
    ("changed", "verdict"),
    [
        ({}, "sky_like"),
        ({"zero_drift": True}, "sky_like_zero_drift"),
        ({"snr_coherent": 5.9, "snr_incoherent": 5.9, "snr_max": 5.9}, "not_confirmed"),
        ({"snr_coherent": math.nan, "snr_incoherent": 5.0, "snr_max": math.nan}, "not_confirmed"),
        ({"snr_max": 6.0, "frac_max": 0.5}, "rfi_single_antenna"),
        ({"snr_max": 6.0, "eig_part": 2.0}, "rfi_single_antenna"),
        ({"snr_max": 5.9, "frac_max": 0.9}, "sky_like"),
        ({"snr_max": 9.0, "n_eff": 4.9}, "rfi_few_antennas"),
        ({"snr_max": 9.0, "n_eff": 2.9, "n_live": 5, "frac_max": 0.4}, "rfi_few_antennas"),
        ({"gain_index": 0.49}, "ambiguous"),
        ({"gain_index": 0.0}, "incoherent_all"),
        ({"gain_index": 0.0, "snr_incoherent": 5.0}, "ambiguous"),
        ({"n_live": 2}, "unusable"),
        ({"has_recipe": False, "eig_frac": 0.31, "eig_part": 13.0}, "coherent_unknown_direction"),
        ({"has_recipe": False, "eig_frac": 0.30, "eig_part": 13.0}, "ambiguous"),
        ({"has_recipe": False, "eig_frac": 0.31, "eig_part": 12.4}, "ambiguous"),
    ],
)
def test_the_first_rule_that_holds_decides(changed, verdict):
    judged = verdict_of(**changed)
    assert judged.verdict == verdict
    assert judged.reasons


def test_no_verdict_says_candidate():
    assert not any("candidate" in verdict for verdict in Verdict)


@pytest.mark.parametrize(
    ("changed", "confidence"),
    [
        ({}, "high"),
        ({"flags": (Flag.EDGES_CONTAMINATED,)}, "low"),
        ({"flags": (Flag.PATH_OUT,)}, "low"),
        ({"bad_frac": 0.011}, "low"),
        ({"bad_frac": 0.009}, "high"),
        ({"gain_index": 0.54}, "low"),
        ({"gain_index": 0.56}, "high"),
        ({"snr_coherent": 6.5}, "low"),
    ],
)
def test_confidence(changed, confidence):
    assert verdict_of(**changed).confidence == confidence


def test_reasons_name_feature_value_and_threshold():
    assert verdict_of().reasons == ("snr_coherent = 30 >= 6", "gain_index = 0.99 >= 0.5")


def test_thresholds_are_those_of_the_configuration():
    strict = Thresholds(snr_min=40.0)
    assert judge(BASE, (), has_recipe=True, thresholds=strict).verdict is Verdict.NOT_CONFIRMED


def test_small_pieces_of_the_features():
    assert gain_index(25.0, 5.0, 25) == pytest.approx(1)
    assert gain_index(20.0, 100.0, 25) == pytest.approx(-1)
    assert math.isnan(gain_index(25.0, 5.0, 1))
    np.testing.assert_allclose(power_shares(np.array([3.0, -5.0, 1.0])), [0.75, 0, 0.25])
    assert not power_shares(np.array([-1.0, -2.0])).any()
    assert polarisation_balance(np.array([[3.0], [1.0]])) == pytest.approx(0.5)
    assert math.isnan(polarisation_balance(np.array([[3.0]])))
    same = np.ones((4, 1, 3), np.complex64)
    assert eigen_features(same) == (pytest.approx(1), pytest.approx(3))
    assert correlations(same) == pytest.approx(np.ones((3, 3)))
    assert all(math.isnan(value) for value in eigen_features(np.zeros((4, 1, 3), np.complex64)))


def test_eigenvalues_of_noise_are_those_of_chance():
    shares = [eigen_features(voltages_of((16, 1, 2, 25), k)[:, 0])[0] for k in range(50)]
    assert np.mean(shares) == pytest.approx(0.17, abs=0.02)


def test_a_faint_incoherent_signal_has_no_gain(observed):
    stamp, _ = observed.look(sky(40.0), 3)
    measured = measure_cut(cut_of(stamp, 20))
    assert beam_gain(measured) == pytest.approx(25, rel=0.3)
    for snr, known in ((2.0, True), (1.99, False), (math.nan, False)):
        faint = replace(measured, classic=replace(measured.classic, snr=np.float64(snr)))
        assert math.isfinite(beam_gain(faint)) == known
