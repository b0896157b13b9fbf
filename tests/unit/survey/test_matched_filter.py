import numpy as np
import pytest

from ephemera.survey import matched_filter
from ephemera.survey.judging import Search, detection_rows, search_curve
from ephemera.survey.matched_filter import matched_scores
from ephemera.survey.quality import judge
from ephemera.survey.templates import bank, profile
from survey_data import made_up

BANK = bank("gaussian", 2.0, 20.0)


def reference(curve, scores, width):
    """The sums word for word."""
    found = []
    for centre in curve.mjd:
        t = profile("gaussian", curve.mjd - centre, width, curve.exptime / 86400)
        x = (curve.flux - scores.mean) / scores.noise**2
        found.append(np.sum(x * t) / np.sqrt(np.sum(t**2 / scores.noise**2)))
    return np.array(found)


@pytest.mark.parametrize("on_grid", [False, True])
def test_scores_are_the_sums(on_grid, monkeypatch):
    if on_grid:
        monkeypatch.setattr(matched_filter, "MOST_PAIRED", 10)
        monkeypatch.setattr(matched_filter, "REACH", 6.0)
    curve = made_up(200)
    scores = judge(curve)
    best, kernel = matched_scores(curve, scores, BANK, curve.usable)
    table = np.array([reference(curve, scores, width) for width in BANK])
    expected = table[np.argmax(np.abs(table), axis=0), np.arange(200)]
    # The template is cut at two widths when summed in pairs, and blurred by a cell on the grid.
    assert best == pytest.approx(expected, abs=0.12)
    assert np.mean(kernel == np.argmax(np.abs(table), axis=0)) > 0.9


def test_noise_scores_are_standard_normal():
    curve = made_up(1500, seed=3)
    scores = judge(curve)
    best, _ = matched_scores(curve, scores, bank("gaussian", 3.0, 3.0), curve.usable)
    assert best.std() == pytest.approx(1.0, abs=0.1)


def test_a_faint_wide_event_is_found_with_its_width():
    flux = 100 + np.random.default_rng(1).normal(size=300)
    flux += 3 * profile("gaussian", np.arange(300) - 150.0, 12.0)
    curve = made_up(flux=flux)
    assert search_curve(curve, Search()).events == []
    search = Search(threshold=6.0, bank=BANK)
    (row,) = detection_rows(search_curve(curve, search), search)
    assert row["method"] == "matched"
    assert abs(row["mjd_peak"] - 58150) < 6
    assert BANK.width[row["kernel"]] == pytest.approx(12, rel=0.7)
    assert row["score"] > 6 > row["snr"]


def test_unusable_epochs_have_no_score():
    bad = np.zeros(100, bool)
    bad[::7] = True
    curve = made_up(bad=bad)
    best, kernel = matched_scores(curve, judge(curve), BANK, curve.usable)
    assert np.isnan(best[bad]).all()
    assert (kernel[bad] == -1).all()
    assert np.isfinite(best[~bad]).all()
    empty, _ = matched_scores(curve, judge(curve), BANK, np.zeros(100, bool))
    assert np.isnan(empty).all()


@pytest.mark.parametrize("what", ["nights", "equal times", "years apart"])
def test_long_uneven_light_curves_are_not_laid_on_a_grid_of_their_cadence(what, monkeypatch):
    monkeypatch.setattr(matched_filter, "MOST_PAIRED", 10)
    monkeypatch.setattr(matched_filter, "MOST_PAIRS", 10_000)
    monkeypatch.setattr(matched_filter, "REACH", 6.0)
    nights = np.sort(np.repeat(np.arange(60.0), 5) + np.random.default_rng(2).uniform(0, 0.3, 300))
    mjd = (
        58000
        + {
            "nights": nights,
            "equal times": np.repeat(nights[::3], 3),
            "years apart": nights + 1e7 * (nights > 30) + 1e12 * (nights > 59),
        }[what]
    )
    curve = made_up(300, mjd=mjd)
    assert not curve.uniform
    scores = judge(curve)
    for width in (0.05, 1.0, 8.0):
        best, _ = matched_scores(curve, scores, bank("gaussian", width, width), curve.usable)
        assert best == pytest.approx(reference(curve, scores, width), abs=0.12)
