"""Completeness, fluences, biases and search modes from rows made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.confidence import wilson
from ephemera.xmm.completeness import bias_rows, completeness_rows, fluence_rows, mode_rows, tried
from ephemera.xmm.completeness_columns import BIASES, COMPLETENESS, FLUENCES, SEARCH_MODES
from ephemera.xmm.injection_columns import FOUND, INJECTIONS

BASE = {
    "obsid": "0000000001", "subset": 0, "kind": "peak", "shape": "box", "ra": 1.0, "dec": 1.0,
    "x": 1.0, "y": 1.0, "off_axis": 2.0,
    "t_peak": 50.0, "t_start": 0.0, "t_stop": 100.0, "duration": 100.0, "fluence": 20.0,
    "rate": 0.2, "depth": 1.0, "spectrum": "power law 1.7", "adaptive": False, "n_drawn": 20, "n_kept": 18,
    "n_removed": 0, "n_pn": 0, "n_m1": 9, "n_m2": 9,
}  # fmt: skip


def arrays(rows, declaration):
    table = declaration.arrow(rows)
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def truth(*rows):
    return arrays([BASE | {"trial": k, "id": 0} | row for k, row in enumerate(rows)], INJECTIONS)


def found(*rows):
    """Rows (trial, t_bin, sigma or None, and more)."""
    full = []
    for trial, t_bin, sigma, more in rows:
        row = {
            "obsid": "0000000001", "subset": 0, "trial": trial, "id": 0, "mode": "main", "t_bin": t_bin,
            "e_min": 0.2, "e_max": 12.0, "n_band": 18, "background": "gti", "masked": False,
            "by_chance": False, "found": sigma is not None, "sigma": sigma,
        }  # fmt: skip
        full.append(row | more)
    return arrays(full, FOUND)


def rows_of(rows, **wanted):
    return [row for row in rows if all(row.get(name) == value for name, value in wanted.items())]


def check(rows, declaration):
    declaration.arrow(rows)


def test_shares_by_run_and_for_any_run():
    injections = truth({}, {}, {"fluence": 300.0}, {"kind": "eclipse", "shape": "eclipse", "depth": 1.0})
    seen = list(
        tried(
            injections,
            found(
                (0, 5.0, None, {}), (0, 50.0, 4.0, {}), (1, 5.0, None, {}),
                (1, 50.0, None, {"by_chance": True}),
                (2, 5.0, 8.0, {}), (2, 50.0, 9.0, {}), (3, 5.0, None, {}), (3, 50.0, 3.2, {}),
            ),
        )
    )  # fmt: skip
    rows = completeness_rows(seen, [3.0, 5.0])
    check(rows, COMPLETENESS)
    at = {"quantity": "fluence", "kind": "peak", "low": 20.0}
    any_run = rows_of(rows, t_bin=None, sigma=3.0, **at)[0]
    assert (any_run["n"], any_run["n_found"], any_run["n_by_chance"]) == (2, 1, 1)
    assert (any_run["ci_low"], any_run["ci_high"]) == wilson(1, 2)
    assert rows_of(rows, t_bin=5.0, sigma=3.0, **at)[0]["n_found"] == 0
    assert rows_of(rows, t_bin=50.0, sigma=3.0, **at)[0]["n_found"] == 1
    assert rows_of(rows, t_bin=50.0, sigma=5.0, **at)[0]["n_found"] == 0
    deep = rows_of(rows, t_bin=None, sigma=3.0, kind="eclipse", quantity="depth")
    assert [(row["low"], row["n"], row["n_found"]) for row in deep] == [(0.8, 1, 1)]


def test_every_injection_is_in_one_bin_of_each_quantity():
    rng = np.random.default_rng(3)
    drawn = np.stack([rng.uniform(2, 900, 50), rng.uniform(0, 15, 50)], axis=1).tolist()
    injections = truth(*({"fluence": fluence, "off_axis": off_axis} for fluence, off_axis in drawn))
    seen = list(tried(injections, found(*((k, 5.0, None, {}) for k in range(50)))))
    rows = rows_of(completeness_rows(seen, [3.0]), t_bin=5.0)
    for quantity in ("fluence", "duration", "off_axis", "background", "masked", "shape"):
        assert sum(row["n"] for row in rows_of(rows, quantity=quantity)) == 50


def test_adaptive_draws_do_not_count_where_durations_mix():
    seen = list(tried(truth({}, {"adaptive": True}), found((0, 5.0, 4.0, {}), (1, 5.0, 4.0, {}))))
    rows = rows_of(completeness_rows(seen, [3.0]), t_bin=None)
    assert rows_of(rows, quantity="fluence")[0]["n"] == 1
    assert rows_of(rows, quantity="off_axis")[0]["n"] == 1


def test_fluences_found_half_of_the_time():
    rng = np.random.default_rng(1)
    fluence = np.exp(rng.uniform(np.log(4), np.log(400), 300))
    hit = rng.random(300) < 1 / (1 + (50 / fluence) ** 4)
    injections = truth(*({"fluence": float(f)} for f in fluence))
    rows = fluence_rows(
        list(tried(injections, found(*((k, 5.0, 4.0 if h else None, {}) for k, h in enumerate(hit))))), [3.0]
    )
    check(rows, FLUENCES)
    row = rows_of(rows, t_bin=5.0, background="gti", n=300)[0]
    assert row["fluence_50_low"] < 50 < row["fluence_50_high"] * 1.1
    assert row["fluence_90"] == pytest.approx(50 * 9**0.25, rel=0.3)


def test_biases_and_pulls_by_hand():
    excess = {
        "counts_excess_q16": 8.0,
        "counts_excess_q50": 12.0,
        "counts_excess_q84": 16.0,
        "poserr": np.sqrt(2),
    }
    rows = bias_rows(
        truth({}, {}),
        found(
            (0, 5.0, 4.0, excess | {"dx": 1.0, "dy": -1.0}), (1, 5.0, 4.0, excess | {"dx": 3.0, "dy": 1.0})
        ),
    )
    check(rows, BIASES)
    counts = rows_of(rows, quantity="counts_excess", t_bin=5.0)[0]
    assert counts["bias"] == pytest.approx((12 - 18) / 18)
    assert counts["pull_mean"] == pytest.approx((12 - 18) / 4)
    x = rows_of(rows, quantity="position_x", t_bin=None)[0]
    assert (x["bias"], x["pull_mean"]) == pytest.approx((2.0, 2.0))
    assert x["pull_std"] == pytest.approx(np.sqrt(2))


def test_modes_are_compared_injection_by_injection():
    rows = mode_rows(
        list(
            tried(
                truth({}, {}, {}),
                found(
                    (0, 5.0, 4.0, {}), (1, 5.0, None, {}), (2, 5.0, 3.5, {}),
                    (0, 5.0, 4.0, {"mode": "time"}), (1, 5.0, 3.5, {"mode": "time"}),
                    (2, 5.0, None, {"mode": "time"}),
                ),
            )
        ),
        [3.0],
    )  # fmt: skip
    check(rows, SEARCH_MODES)
    main, time = rows
    assert (main["mode"], main["n_grids"], main["n_found"], main["n_gained"]) == ("main", 1, 2, 0)
    assert (time["mode"], time["n_grids"], time["n_found"]) == ("time", 2, 2)
    assert (time["n_gained"], time["n_lost"]) == (1, 1)


def test_nothing_injected_gives_empty_tables():
    empty = arrays([], INJECTIONS), arrays([], FOUND)
    assert list(tried(*empty)) == []
    assert bias_rows(*empty) == []
