from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.figures.style import figure
from ephemera.xmm.bayes import eclipse_limit, peak_limit
from ephemera.xmm.bti import BadTime, FlareCurve
from ephemera.xmm.figure_curves import (
    Curve,
    close_view,
    curve_of,
    flare_curves,
    flare_figure_height,
    light_curve,
    light_curve_height,
)


def curve(n, mu=0.5, *, bti=(), bccd=(), peaks=(), eclipses=(), dt=10.0) -> Curve:
    n = np.asarray(n)
    frames = np.arange(len(n))
    masked = np.isin(frames, bccd)
    mu = np.where(masked, np.nan, np.broadcast_to(np.asarray(mu, float), n.shape))
    flags = [np.isin(frames, chosen) for chosen in (bti, bccd, peaks, eclipses)]
    return Curve(dt * np.arange(len(n) + 1.0), 57505.0, n, mu, *flags)


def shown(drawn) -> tuple[set[str], set[str]]:
    """Names in the legend, and labels of all axes, of a figure."""
    drawn.canvas.draw()
    names = {text.get_text() for legend in drawn.legends for text in legend.get_texts()}
    return names, {label for axes in drawn.axes for label in (axes.get_xlabel(), axes.get_ylabel()) if label}


@given(st.lists(st.floats(1e-6, 500), min_size=1, max_size=20), st.sampled_from([3.0, 5.0]))
def test_bands_lie_between_what_is_nothing_and_what_is_a_detection(mu, sigma):
    low, high = curve(np.zeros(len(mu), int), mu).limits(sigma)
    n_peak, n_eclipse = peak_limit(np.array(mu), sigma), eclipse_limit(np.array(mu), sigma)
    assert np.all((n_peak > high) & (n_peak - 1 < high))
    possible = n_eclipse >= 0
    assert np.all(n_eclipse[possible] < low[possible])
    assert np.all(n_eclipse[possible] + 1 > low[possible])
    assert np.all(low[~possible] == 0)


def test_masked_frames_have_no_bands():
    low, high = curve([1, 2, 3], bccd=[1]).limits(3.0)
    np.testing.assert_array_equal(np.isnan(low), [False, True, False])
    np.testing.assert_array_equal(np.isnan(high), [False, True, False])


def test_curves_of_files_keep_the_short_last_frame():
    columns = {
        "time": np.array([1000.0, 1010.0, 1020.0]), "time_mjd": 57505.0 + np.array([5.0, 15.0, 23.0]) / 86400,
        "n": np.array([1, 2, 3], np.int32), "mu": np.array([0.1, np.nan, 0.3]),
        "bti": np.array([False, False, True]), "bccd": np.array([False, True, False]),
    }  # fmt: skip
    made = curve_of(columns, 1026.0, np.array([2, 2, 9]), np.array([], np.int64))
    np.testing.assert_array_equal(made.edges, [0, 10, 20, 26])
    assert made.start_mjd == pytest.approx(57505.0, abs=1e-9)
    np.testing.assert_array_equal(made.peaks, [False, False, True])
    np.testing.assert_array_equal(made.known, [True, False, True])
    assert not made.eclipses.any()


def test_a_close_view_holds_the_whole_event_and_its_surroundings():
    n = np.zeros(1000, int)
    assert close_view(curve(n, peaks=[500]), 500) == slice(465, 536)
    event = curve(n, eclipses=[*range(400, 450), *range(453, 460)])
    view = close_view(event, 410)
    assert (view.start, view.stop) == (395 - 70, 465 + 70)
    assert close_view(curve(n, peaks=[2]), 2) == slice(0, 38)


def test_a_short_curve_needs_no_close_view():
    assert close_view(curve(np.zeros(60, int), peaks=[30]), 30) is None
    assert close_view(curve([3]), 0) is None


def test_a_light_curve_has_labels_units_and_both_panels():
    made = curve([0] * 500 + [9] + [0] * 499, peaks=[500], bti=[3, 4], bccd=[8])
    with figure(2, height=light_curve_height(made, 500)) as drawn:
        light_curve(drawn, made, 500, "title")
        names, labels = shown(drawn)
        assert len(drawn.axes) == 2
        assert drawn.axes[1].get_xlim() == pytest.approx((4.65, 5.36))
    assert labels == {"Time since MJD 57505.00000 (TT) [ks]", "Counts per frame"}
    assert names == {
        "observed", "expected", "within 3 sigma", "within 5 sigma", "peak beyond 3 sigma", "peak in a pixel",
        "bad time", "masked",
    }  # fmt: skip


def test_only_what_is_there_is_in_the_legend():
    made = curve([40] * 10 + [0] + [40] * 10, 40.0)
    with figure(2, height=light_curve_height(made, 10)) as drawn:
        light_curve(drawn, made, 10, "title")
        names, _ = shown(drawn)
        assert len(drawn.axes) == 1
    assert names == {"observed", "expected", "within 3 sigma", "within 5 sigma", "eclipse beyond 3 sigma"}


@pytest.mark.parametrize(
    "made",
    [
        curve([3]), curve([0]), curve([0, 1], bccd=[0, 1]), curve(np.zeros(400, int), bccd=range(400)),
        curve([5, 0, 7], 0.0), curve([1, 2], [np.nan, 0.5]), curve([1] * 50, bti=range(50)),
        curve([100000, 0], 1e5, dt=0.5), curve([1, 1], 1e-6, dt=3000.0),
    ],
)  # fmt: skip
def test_hostile_curves_are_drawn(made):
    with figure(2, height=light_curve_height(made, 0)) as drawn:
        light_curve(drawn, made, 0, r"$\frac{ {")
        _, labels = shown(drawn)
        bottom, top = drawn.axes[0].get_ylim()
    assert labels >= {"Counts per frame"}
    assert bottom < 0 < np.max(made.n) < top or np.max(made.n) == 0


def flares(n=100, level=0.2, threshold=1.5) -> FlareCurve:
    rate = np.full(n, level)
    rate[20:25] = 40.0
    return FlareCurve(
        1000 + 100 * np.arange(n + 1.0), 100 * rate, np.full(n, 100.0), rate, np.full(n, threshold)
    )


def test_flare_curves_have_a_panel_for_each_window():
    bad = BadTime(np.array([[3000.0, 3500.0]]), (flares(),))
    by_window = {100.0: bad, 5.0: bad}
    with figure(2, height=flare_figure_height(by_window)) as drawn:
        flare_curves(drawn, by_window, 1000.0, 11000.0, 57505.0, "title")
        names, labels = shown(drawn)
        assert len(drawn.axes) == 2
        notes = [axes.texts[0].get_text() for axes in drawn.axes]
        assert drawn.get_supylabel() == "Rate of the flaring background [ct/s]"
        low, high = drawn.axes[0].get_ylim()
    assert names == {"rate", "threshold", "bad time"}
    assert labels == {"Time since MJD 57505.00000 (TT) [ks]"}
    assert notes[0] == "windows of 5 s: bad time 0.50 of 10.00 ks"
    assert low == 0
    assert high > 40


def unexposed() -> FlareCurve:
    n = 10
    return FlareCurve(np.arange(n + 1.0), np.zeros(n), np.zeros(n), np.full(n, np.nan), np.zeros(n))


@pytest.mark.parametrize("curves", [(), (unexposed(),), (flares(), flares(level=0.0)), (flares(1),)])
def test_hostile_flare_curves_are_drawn(curves):
    by_window = {5.0: BadTime(np.empty((0, 2)), curves)}
    with figure(2, height=flare_figure_height(by_window)) as drawn:
        flare_curves(drawn, by_window, 1000.0, 11000.0, 57505.0, "")
        names, _ = shown(drawn)
    assert ("rate 2" in names) == (len(curves) == 2)


def test_without_windows_a_panel_is_left():
    with figure(2, height=flare_figure_height({})) as drawn:
        flare_curves(drawn, {}, 0.0, 1.0, 57505.0, "")
        shown(drawn)
        assert len(drawn.axes) == 1
