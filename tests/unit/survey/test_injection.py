import numpy as np
import pytest

from ephemera.job import namespace
from ephemera.seeds import generator
from ephemera.survey.inject import Injector, try_injection
from ephemera.survey.injection import (
    Span,
    Truth,
    amplitude_in_flux,
    draw,
    inject,
    is_real,
    number_of_injections,
    recovers,
)
from ephemera.survey.judging import Search, search_curve
from ephemera.survey.light_curve import DAY
from ephemera.survey.quality import judge
from survey_data import made_up, settings_of


def options(**changes):
    settings = settings_of("inject", inject=changes)
    for name, value in vars(settings_of("search")).items():
        setattr(settings, name, value)
    for name in ("quality_plugin", "finder_plugin", "simulator_plugin"):
        setattr(settings, name, None)
    return settings


def truth(**changes):
    given = {
        "shape": "box",
        "sign": 1,
        "width_d": 5.0,
        "amplitude": 20.0,
        "amplitude_unit": "noise",
        "amplitude_flux": 20.0,
        "t0": 58050.0,
    }
    return Truth(**{**given, **changes})


def test_the_original_is_untouched_and_the_event_is_added():
    curve = made_up()
    before = curve.flux.copy()
    added = inject(curve, 100.0, truth()).flux - curve.flux
    assert np.array_equal(curve.flux, before)
    assert np.flatnonzero(added > 1).tolist() == [48, 49, 50, 51, 52]
    assert added.max() == pytest.approx(20.0)


def test_dips_do_not_go_below_zero_light():
    curve = made_up()
    deep = inject(curve, 100.0, truth(sign=-1, amplitude_flux=-500.0))
    assert (deep.flux - curve.flux).min() == pytest.approx(-100.0)


def test_photon_noise_grows_with_brightenings_only():
    curve = made_up()
    flare = inject(curve, 100.0, truth(), gain=2.0)
    assert flare.flux_err[50] == pytest.approx(np.sqrt(1 + 20 * 2))
    assert flare.flux_err[10] == 1.0
    dip = inject(curve, 100.0, truth(sign=-1, amplitude_flux=-20.0), gain=2.0)
    assert np.array_equal(dip.flux_err, curve.flux_err)


def test_units_of_amplitude():
    curve = made_up()
    scores, usable = judge(curve), curve.usable
    noise = np.median(scores.noise)
    assert amplitude_in_flux(3, "noise", -1, scores, usable) == pytest.approx(-3 * noise)
    assert amplitude_in_flux(0.5, "mean", 1, scores, usable) == pytest.approx(scores.mean / 2)
    assert amplitude_in_flux(1, "mag", 1, scores, usable) == pytest.approx(scores.mean * (10**0.4 - 1))
    assert amplitude_in_flux(1, "mag", -1, scores, usable) == pytest.approx(scores.mean * (10**-0.4 - 1))


def test_draws_depend_on_names_alone():
    curves = [(made_up(seed=k), judge(made_up(seed=k))) for k in range(3)]
    first = draw(generator(1, "a", 0), curves, options())
    draw(generator(1, "a", 1), curves, options())
    assert draw(generator(1, "a", 0), curves, options()) == first
    assert draw(generator(1, "a", 1), curves, options()) != first


def test_moments_are_uniform_over_usable_time():
    bad = np.arange(100) < 50
    curve = made_up(bad=bad)
    moments = [draw(generator(1, k), [(curve, judge(curve))], options())[1].t0 for k in range(300)]
    assert min(moments) >= 58050 - 15 / DAY
    assert np.mean(np.array(moments) > 58075) == pytest.approx(0.5, abs=0.1)
    dark = made_up(bad=np.ones(100, bool))
    assert draw(generator(1), [(dark, judge(dark))], options()) is None


def test_widths_of_a_bank_or_a_list():
    curve = made_up()
    for widths, allowed in (([2.0, 4.0], {2.0, 4.0}), ("bank", None)):
        settings = options(widths=widths, min_width=1.0, max_width=4.0)
        drawn = {draw(generator(1, k), [(curve, judge(curve))], settings)[1].width_d for k in range(40)}
        assert drawn == allowed if allowed else 2 <= len(drawn) <= 6


def test_counts_are_poisson():
    counts = [number_of_injections(1, f"s{k}", "DEMO", 1.0) for k in range(2000)]
    assert np.mean(counts) == pytest.approx(1.0, abs=0.08)
    assert np.var(counts) == pytest.approx(1.0, abs=0.12)
    assert counts == [number_of_injections(1, f"s{k}", "DEMO", 1.0) for k in range(2000)]


def span(sign, first, last):
    return Span(sign, np.arange(first, last + 1), 58000.0 + first, 58000.0 + last)


def test_recovery_needs_sign_and_place():
    found = span(1, 45, 48)
    assert recovers(found, truth(t0=58050.4), 1.0)
    assert not recovers(found, truth(t0=58050.6), 1.0)
    assert recovers(found, truth(t0=58051.9, width_d=0.1), 4.0)
    assert not recovers(found, truth(sign=-1, amplitude_flux=-20), 1.0)


def test_what_was_there_before_is_not_recovered():
    assert is_real(span(1, 10, 13), [span(1, 12, 20), span(1, 9, 12)])
    assert not is_real(span(1, 10, 13), [span(1, 12, 20)])
    assert not is_real(span(1, 10, 13), [span(-1, 9, 14)])


def test_an_injection_on_top_of_a_real_event_does_not_count():
    flux = np.full(100, 100.0)
    flux[48:53] += 30
    flux += np.random.default_rng(0).normal(size=100)
    curve = made_up(flux=flux)
    original = search_curve(curve, Search())
    assert len(original.events) == 1
    faint = truth(amplitude=0.1, amplitude_flux=0.1)
    tried = try_injection(original, faint, inject(curve, 100, faint), Search(), "x:DEMO:0", 18.0)
    assert not tried.row["recovered"]
    assert tried.detections == []


def test_truth_and_marks_of_a_recovered_event():
    curve = made_up()
    tried = try_injection(
        search_curve(curve, Search()), truth(), inject(curve, 100, truth()), Search(), "star:DEMO:0", 18.0
    )
    (detection,) = tried.detections
    assert tried.row["recovered"]
    assert tried.row["detection_id"] == detection["id"]
    assert detection["simulated"]
    assert detection["injection_id"] == "star:DEMO:0"
    assert (tried.row["t0"], tried.row["width_d"], tried.row["mag"]) == (58050.0, 5.0, 18.0)


def test_efficiency_rises_with_amplitude():
    curve = made_up(400)
    shares = []
    for amplitude in (1.0, 30.0):
        settings = options(
            n_per_source=40, min_amplitude=amplitude, max_amplitude=amplitude, min_width=5, max_width=20
        )
        found = Injector(settings, "DEMO", {}).source("star", [curve])
        assert len(found) > 20
        shares.append(np.mean([i.row["recovered"] for i in found]))
    assert shares[0] < 0.05
    assert shares[1] > 0.95


def test_sources_are_independent_of_each_other():
    settings = options(n_per_source=3)
    one = [i.row for i in Injector(settings, "DEMO", {}).source("a", [made_up(seed=1)])]
    injector = Injector(namespace(vars(settings)), "DEMO", {})
    injector.source("b", [made_up(seed=2)])
    assert [i.row for i in injector.source("a", [made_up(seed=1)])] == one
