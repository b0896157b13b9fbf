"""How complete a search is: shares found in bins, fluences found half of the time, bias and pull.

Reads the rows of `injection_columns.INJECTIONS` and `FOUND` as columns; makes the rows of the tables in
`completeness_columns`. "Any run" counts an injection as found that at least one of the runs finds. Fluences
drawn adaptively follow the duration of the burst: they take part in curves of bursts of like duration, and in
nothing that mixes durations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.confidence import wilson
from ephemera.xmm.bayes import sigma_equivalent_eclipse, sigma_equivalent_peak, thresholds
from ephemera.xmm.detection_curve import NO_LEVEL, fit_curve
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray

Columns = Mapping[str, npt.NDArray[Any]]
Row = dict[str, Any]

#: Edges of the bins of each quantity; outside them nothing is counted.
EDGES: Mapping[str, tuple[float, ...]] = {
    "fluence": (1, 5, 8, 12.5, 20, 32, 50, 80, 125, 200, 320, 500, 800, 1250, 2000, 1e4),
    "duration": (1, 5, 16, 50, 160, 500, 1600, 5000, 1e5),
    "off_axis": (0, 3, 6, 9, 12, 15, 30),
    "depth": (0, 0.2, 0.4, 0.6, 0.8, 1.0),
    "n_removed": (0, 30, 60, 120, 240, 480, 960, 1e5),
}
#: Quantities of each kind of injection.
QUANTITIES: Mapping[str, tuple[str, ...]] = {
    "peak": ("fluence", "duration", "off_axis", "background", "masked", "shape"),
    "eclipse": ("depth", "n_removed", "duration", "off_axis", "background"),
}
#: Durations of bursts whose curves are fitted apart, s.
DURATIONS = ((0.0, 50.0), (50.0, 500.0), (500.0, np.inf), (0.0, np.inf))
#: A relative excess above this sigma has the precision of a median: 1.2533 sigma / sqrt(n).
MEDIAN_FACTOR = 1.2533


@dataclass(frozen=True)
class Tried:
    """Injections as one run saw them, or as any run did: columns of truth and what was found.

    `run` is (t_bin, e_min, e_max), or None for any run; `significance` (n,) the largest, 0 where nothing
    matches.
    """

    mode: str
    run: tuple[float, float, float] | None
    columns: Columns
    significance: FloatArray
    by_chance: BoolArray

    def found(self, sigma: float) -> BoolArray:
        """Which injections are found at a significance."""
        peak, eclipse = thresholds(sigma)
        # A detection at s sigma has an equivalent a little above s, because counts are whole.
        least_peak = float(sigma_equivalent_peak(peak)) - 1e-9
        least_eclipse = float(sigma_equivalent_eclipse(eclipse)) - 1e-9
        least = np.where(self.columns["kind"] == "peak", least_peak, least_eclipse)
        return np.asarray(self.significance >= least)

    def take(self, chosen: BoolArray) -> Tried:
        """Some of the injections."""
        columns = {name: values[chosen] for name, values in self.columns.items()}
        return Tried(self.mode, self.run, columns, self.significance[chosen], self.by_chance[chosen])

    @property
    def key(self) -> Row:
        """Columns that name mode and run."""
        t_bin, e_min, e_max = self.run or (None, None, None)
        return {"mode": self.mode, "t_bin": t_bin, "e_min": e_min, "e_max": e_max}


def tried(injections: Columns, found: Columns) -> Iterator[Tried]:
    """Every mode with each of its runs, and with any of them."""
    if not len(found["id"]):
        return
    place = _places(injections, found)
    significance = np.where(found["found"].astype(bool), np.nan_to_num(found["sigma"].astype(float)), 0.0)
    for mode in sorted(set(found["mode"].tolist()), key=_mode_order):
        here = np.flatnonzero(found["mode"] == mode)
        runs = np.stack([found[name][here].astype(float) for name in ("t_bin", "e_min", "e_max")], axis=1)
        for run in np.unique(runs, axis=0):
            mine = here[(runs == run).all(axis=1)]
            columns = {name: values[place[mine]] for name, values in injections.items()}
            columns |= {n: found[n][mine] for n in ("background", "masked", "n_band")}
            key = (float(run[0]), float(run[1]), float(run[2]))
            yield Tried(mode, key, columns, significance[mine], found["by_chance"][mine].astype(bool))
        yield _any_run(mode, injections, found, place, here, significance)


def _mode_order(mode: str) -> tuple[bool, str]:
    return mode != "main", mode


def _any_run(
    mode: str, injections: Columns, found: Columns, place: IntArray, here: IntArray, significance: FloatArray
) -> Tried:
    """Injections as any run of a mode saw them: largest significance, circumstances of the longest frames."""
    n = len(injections["id"])
    best, chance, seen = np.zeros(n), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    np.maximum.at(best, place[here], significance[here])
    np.logical_or.at(chance, place[here], found["by_chance"][here].astype(bool))
    seen[place[here]] = True
    extra = {name: np.full(n, None, dtype=object) for name in ("background", "masked", "n_band")}
    order = here[np.argsort(found["t_bin"][here].astype(float), kind="stable")]
    for name, values in extra.items():
        values[place[order]] = found[name][order]
    columns = {name: values[seen] for name, values in {**injections, **extra}.items()}
    return Tried(mode, None, columns, best[seen], chance[seen])


def _places(injections: Columns, found: Columns) -> IntArray:
    """Row of the injection of each row of what was found."""
    names = ("obsid", "trial", "id")
    rows = {key: k for k, key in enumerate(zip(*(injections[n].tolist() for n in names), strict=True))}
    return np.array([rows[key] for key in zip(*(found[n].tolist() for n in names), strict=True)], np.int64)


def completeness_rows(all_tried: Sequence[Tried], sigmas: Sequence[float]) -> list[Row]:
    """Rows of COMPLETENESS; bins without injections are left out."""
    rows = []
    for one in all_tried:
        for sigma in sigmas:
            hit = one.found(sigma)
            for kind, quantities in QUANTITIES.items():
                for quantity in quantities:
                    key = one.key | {"sigma": sigma, "kind": kind, "quantity": quantity}
                    chosen = one.columns["kind"] == kind
                    chosen &= ~one.columns["adaptive"].astype(bool)
                    rows += [key | row for row in binned(one, hit, chosen, quantity)]
    return rows


def binned(one: Tried, hit: BoolArray, chosen: BoolArray, quantity: str) -> Iterator[Row]:
    """Shares found among the `chosen` injections in bins or classes of a quantity, empty ones left out."""
    values = one.columns[quantity]
    if quantity in EDGES:
        edges, numbers = EDGES[quantity], values.astype(float)
        for low, high in pairwise(edges):
            # The last bin holds its upper edge: a depth of 1, say.
            below = (numbers <= high) if high == edges[-1] else (numbers < high)
            inside = chosen & (numbers >= low) & below
            where = {
                "low": low,
                "high": high,
                "mean": float(numbers[inside].mean()) if inside.any() else None,
            }
            yield from _share(inside, hit, one.by_chance, where)
        return
    for value in sorted({str(v) for v in values}):
        yield from _share(chosen & (values.astype(str) == value), hit, one.by_chance, {"value": value})


def _share(inside: BoolArray, hit: BoolArray, chance: BoolArray, where: Row) -> Iterator[Row]:
    n, k = int(np.count_nonzero(inside)), int(np.count_nonzero(inside & hit))
    if n:
        low, high = wilson(k, n)
        by_chance = int(np.count_nonzero(inside & chance))
        counts = {"n": n, "n_found": k, "n_by_chance": by_chance}
        yield where | counts | {"completeness": k / n, "ci_low": low, "ci_high": high}


def fluence_rows(all_tried: Sequence[Tried], sigmas: Sequence[float]) -> list[Row]:
    """Rows of FLUENCES: every run and any run; durations and backgrounds together and apart."""
    rows = []
    for one in all_tried:
        bursts = one.take(one.columns["kind"] == "peak")
        duration = bursts.columns["duration"].astype(float)
        for sigma in sigmas:
            for low, high in DURATIONS:
                for background in ("any", "gti", "bti"):
                    chosen = (duration >= low) & (duration < high)
                    if (low, high) == DURATIONS[-1]:
                        chosen &= ~bursts.columns["adaptive"].astype(bool)
                    if background != "any":
                        chosen &= bursts.columns["background"] == background
                    if chosen.any():
                        rows.append(_fluence_row(bursts.take(chosen), sigma, background))
    return rows


def _fluence_row(bursts: Tried, sigma: float, background: str) -> Row:
    fluence, hit = bursts.columns["fluence"].astype(float), bursts.found(sigma)
    duration = bursts.columns["duration"].astype(float)
    row = bursts.key | {
        "sigma": sigma, "background": background, "n": len(hit), "n_found": int(np.count_nonzero(hit)),
        "duration_low": float(duration.min()), "duration_high": float(duration.max()),
    }  # fmt: skip
    curve = fit_curve(fluence, hit)
    if curve is None:
        return row
    row |= {"plateau": curve.plateau, "width": curve.width}
    for percent in (50, 90):
        level = curve.level(percent / 100)
        row |= {f"fluence_{percent}": level.fluence}
        row |= {f"fluence_{percent}_low": level.low, f"fluence_{percent}_high": level.high}
    return row


def bias_rows(injections: Columns, found: Columns) -> list[Row]:
    """Rows of BIASES for bursts found in mode main, run by run and over all runs.

    Counts are compared with the photons of the band that were injected while the burst lasted; the error of a
    position along one axis is its radial error over sqrt(2).
    """
    if not len(found["id"]):
        return []
    kind = injections["kind"][_places(injections, found)]
    good = (found["mode"] == "main") & found["found"].astype(bool) & (kind == "peak")
    runs = np.stack([found[n].astype(float) for n in ("t_bin", "e_min", "e_max")], axis=1)
    rows = []
    for run in [None, *np.unique(runs[good], axis=0)]:
        mine = good if run is None else good & (runs == run).all(axis=1)
        names = (None, None, None) if run is None else tuple(run.tolist())
        key = dict(zip(("t_bin", "e_min", "e_max"), names, strict=True))
        rows += [key | row for row in _biases({n: values[mine] for n, values in found.items()})]
    return rows


def _biases(found: Columns) -> Iterator[Row]:
    true = found["n_band"].astype(float)
    q16, q50, q84 = (found[f"counts_excess_{q}"].astype(float) for q in ("q16", "q50", "q84"))
    known = np.isfinite(q50) & (true > 0) & (q84 > q16)
    relative = (q50[known] - true[known]) / true[known]
    pull = (q50[known] - true[known]) / (0.5 * (q84[known] - q16[known]))
    yield from _bias("counts_excess", relative, pull)
    for axis in "xy":
        offset, error = found[f"d{axis}"].astype(float), found["poserr"].astype(float) / np.sqrt(2)
        yield from _bias(f"position_{axis}", offset, offset / error)


def _bias(quantity: str, difference: FloatArray, pull: FloatArray) -> Iterator[Row]:
    n = len(difference)
    if n > 1:
        yield {
            "quantity": quantity, "n": n, "bias": float(np.median(difference)),
            "bias_error": float(MEDIAN_FACTOR * difference.std(ddof=1) / np.sqrt(n)),
            "pull_mean": float(pull.mean()), "pull_std": float(pull.std(ddof=1)),
        }  # fmt: skip


def mode_rows(all_tried: Sequence[Tried], sigmas: Sequence[float]) -> list[Row]:
    """Rows of SEARCH_MODES without false alarms: the same injections in every way to search."""
    whole = {one.mode: one for one in all_tried if one.run is None}
    rows = []
    for mode, one in whole.items():
        for sigma in sigmas:
            hit, peak = one.found(sigma), one.columns["kind"] == "peak"
            row = {
                "mode": mode, "sigma": sigma, "n_grids": {"time": 2, "all": 8}.get(mode, 1),
                "n_passes": 2 if mode == "second_pass" else 1,
                "n": int(peak.sum()), "n_found": int((hit & peak).sum()),
                "n_eclipses": int((~peak).sum()), "n_eclipses_found": int((hit & ~peak).sum()),
            }  # fmt: skip
            if "main" in whole:
                before = whole["main"].found(sigma)
                row["n_gained"] = int((hit & ~before & peak).sum())
                row["n_lost"] = int((before & ~hit & peak).sum())
            plain = peak & ~one.columns["adaptive"].astype(bool)
            curve = fit_curve(one.columns["fluence"].astype(float)[plain], hit[plain])
            level = NO_LEVEL if curve is None else curve.level(0.5)
            row |= {"fluence_50": level.fluence, "fluence_50_low": level.low, "fluence_50_high": level.high}
            rows.append(row)
    return rows
