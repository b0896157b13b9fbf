"""How odd light curves are among others: simple features by band, and an isolation forest.

Features follow the exercise of the teaching notebook: spread, range, median absolute deviation, fraction
beyond one sigma, skewness, largest step between neighbours, and colours of mean fluxes, which are missing
when a mean flux is not positive. Without scikit-learn the mean squared robust deviation ranks instead.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
#: Times (d) and values of one band.
Curve = tuple[FloatArray, FloatArray]
TREES = 300


def band_features(values: FloatArray) -> dict[str, float]:
    """Features of one band in time order; what a curve is too short for is 0."""
    n = len(values)
    if n == 0:
        return {}
    mean, std = float(values.mean()), float(values.std())
    centred = values - mean
    return {
        "std": std,
        "amplitude": float(np.ptp(values) / 2),
        "mad": float(np.median(np.abs(values - np.median(values)))),
        "beyond_1_std": float(np.mean(np.abs(centred) > std)) if std > 0 else 0.0,
        "skew": float(np.mean(centred**3) / std**3) if std > 0 else 0.0,
        "step": float(np.abs(np.diff(values)).max()) if n > 1 else 0.0,
    }


def features(curves: Mapping[str, Curve], *, fluxes: bool) -> dict[str, float]:
    """Features of all bands by `band_features`, and colours where `fluxes` are given and positive."""
    found: dict[str, float] = {}
    means: list[tuple[str, float]] = []
    for band in sorted(curves):
        time, values = curves[band]
        good = np.isfinite(values) & np.isfinite(time)
        ordered = values[good][np.argsort(time[good], kind="stable")]
        found |= {f"{band}_{name}": value for name, value in band_features(ordered).items()}
        means.append((band, float(ordered.mean()) if len(ordered) else math.nan))
    if fluxes:
        for (a, fa), (b, fb) in pairwise(means):
            if fa > 0 and fb > 0:
                found[f"{a}-{b}"] = -2.5 * math.log10(fa / fb)
    return found


def matrix(rows: Sequence[Mapping[str, float]]) -> tuple[FloatArray, list[str]]:
    """Rows as a table with the median where a feature is missing, and the names of its columns."""
    names = sorted({name for row in rows for name in row})
    table = np.array([[row.get(name, np.nan) for name in names] for row in rows], float).reshape(
        len(rows), len(names)
    )
    for k in range(len(names)):
        known = np.isfinite(table[:, k])
        table[~known, k] = np.median(table[known, k]) if known.any() else 0.0
    return table, names


def scores(rows: Sequence[Mapping[str, float]], seed: int) -> tuple[FloatArray, str]:
    """Oddness of each row (larger is odder), and the method that gave it."""
    table, names = matrix(rows)
    if len(rows) < 3 or not names:
        return np.zeros(len(rows)), "too few"
    try:
        ensemble = import_module("sklearn.ensemble")
    except ImportError:
        centre = np.median(table, axis=0)
        width = np.median(np.abs(table - centre), axis=0)
        deviation = (table - centre) / np.where(width > 1e-9 * (1 + np.abs(centre)), width, 1.0)
        return np.asarray(np.mean(deviation**2, axis=1)), "robust deviation"
    forest = ensemble.IsolationForest(n_estimators=TREES, random_state=seed, n_jobs=1).fit(table)
    return np.asarray(-forest.score_samples(table)), f"isolation forest of {TREES} trees"


def read_training_set(path: Path) -> dict[str, tuple[str, dict[str, Curve]]]:
    """Curves of a tar file of tables (t pb flux dflux), by identifier: class and bands.

    Headers are `#ID:...` and `#type:...`. Raises ValueError for a file without them.
    """
    found = {}
    with tarfile.open(path, "r:*") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() and member.name.endswith(".dat") else None
            if stream is None:
                continue
            header, curves = _training_curve(stream.read().decode("utf-8"))
            if "ID" not in header:
                message = f"{path}: {member.name} has no #ID"
                raise ValueError(message)
            found[header["ID"]] = (header.get("type", "unknown"), curves)
    return dict(sorted(found.items()))


def _training_curve(text: str) -> tuple[dict[str, str], dict[str, Curve]]:
    header: dict[str, str] = {}
    rows: dict[str, list[tuple[float, float]]] = {}
    for line in text.splitlines():
        if line.startswith("#"):
            name, _, value = line[1:].partition(":")
            header[name.strip()] = value.strip()
            continue
        cells = line.split()
        if len(cells) == 4 and cells[0] != "t":
            rows.setdefault(cells[1], []).append((float(cells[0]), float(cells[2])))
    curves = {}
    for band, points in rows.items():
        time, flux = np.array(points).T
        curves[band] = time, flux
    return header, curves
