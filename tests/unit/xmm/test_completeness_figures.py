"""Figures of completeness: each is drawn where there is something to show, and only there."""

from __future__ import annotations

from ephemera.xmm.completeness_figures import draw_false_alarms, draw_recovery

NOTHING = {name: [] for name in ("recovery", "completeness", "fluences", "biases", "search_modes")}


def simulated(kind, counts, sigma):
    return {"kind": kind, "counts_kept": counts, "found": sigma is not None, "sigma": sigma}


def test_simulated_bursts_and_eclipses_found_and_missed(tmp_path):
    rows = [simulated("peak", 80, 9.0), simulated("peak", 5, None), simulated("eclipse", 600, 4.2)]
    draw_recovery(tmp_path / "figures", NOTHING | {"recovery": rows}, [])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["recovery.png"]


def test_nothing_to_show_leaves_an_empty_folder(tmp_path):
    draw_recovery(tmp_path / "figures", NOTHING, [])
    assert list((tmp_path / "figures").iterdir()) == []


def test_search_modes_with_and_without_numbers(tmp_path):
    rows = [
        {"mode": mode, "sigma": 3.0, "fluence_50": f, "fluence_50_low": f, "fluence_50_high": f}
        for mode, f in (("main", 20.0), ("all", float("nan")))
    ]
    draw_recovery(tmp_path / "figures", NOTHING | {"search_modes": rows}, [])
    assert [path.name for path in (tmp_path / "figures").iterdir()] == ["search_modes.png"]


def test_false_alarms_with_and_without_draws(tmp_path):
    row = {
        "method": "poisson", "t_bin": 5.0, "sigma": 3.0, "n_draws": 10, "n_cells": 10**6,
        "n_cells_found": 3, "n_false_expected": 0.4,
    }  # fmt: skip
    draw_false_alarms(tmp_path / "some.png", [row, row | {"sigma": 5.0, "n_cells_found": 0}])
    draw_false_alarms(tmp_path / "none.png", [])
    first = (tmp_path / "some.png").read_bytes()
    draw_false_alarms(tmp_path / "some.png", [row, row | {"sigma": 5.0, "n_cells_found": 0}])
    assert (tmp_path / "some.png").read_bytes() == first
    assert (tmp_path / "none.png").stat().st_size > 0
