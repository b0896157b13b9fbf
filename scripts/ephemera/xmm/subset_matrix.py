"""Do different searches find the same? The nine subsets of frame length and band beside each other.

Reads the catalogue of detections. For each pair of subsets a, b the matrix has the share of detections of a
with a detection of b within 15 arcsec in the same observation and the same set of event lists. Beside it: the
nearest counterpart of every detection in every subset; chi-square tests of whether the subsets are alike in
type, flags and SIMBAD class; and the sources of each subset by the labels of the global clustering and
clustered by itself. Makes tables and a heat map.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from ephemera.sky.clusters import cluster
from ephemera.sky.sphere import chord, unit_vectors
from ephemera.tables import numbers, read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.matches import matched_values
from ephemera.xmm.observation import FloatArray, IntArray
from ephemera.xmm.otypes import SIMBAD_TYPE, class_of, read_classes
from ephemera.xmm.sample_columns import HOMOGENEITY, RECLUSTER, SUBSET_INDICES, SUBSET_MATRIX

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import SubsetMatrix as SubsetMatrixSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Properties of detections whose shares are compared between subsets.
PROPERTIES = ("type", "filt_5sig", "filt_large", "filt_one_camera", "filt_raw_pixel", "n_max_isolated_flare")

Key = tuple[float, float, float]


@dataclass(frozen=True)
class Matches:
    """Subsets (frame length, band) and for each detection its nearest counterpart in each: `index` (n, k)."""

    keys: tuple[Key, ...]
    member: IntArray
    index: IntArray


def subset_keys(time_bins: Sequence[float], bands: Sequence[Sequence[float]]) -> tuple[Key, ...]:
    """Subsets of the configuration: frame length s, band keV."""
    return tuple((float(t), float(low), float(high)) for t in time_bins for low, high in bands)


def find_matches(detections: pa.Table, keys: Sequence[Key], radius_arcsec: float) -> Matches:
    """Nearest counterpart of each detection in each subset, as a row of the table, -1 for none.

    Observations and sets of event lists are a fourth dimension, in which they are farther apart than any
    two points of the sphere.
    """
    columns = [numbers(detections, name) for name in ("t_bin", "e_min", "e_max")]
    member = np.full(len(detections), -1)
    for number, key in enumerate(keys):
        member[np.logical_and.reduce([np.isclose(c, k) for c, k in zip(columns, key, strict=True)])] = number
    index = np.full((len(detections), len(keys)), -1, np.int64)
    if len(detections):
        points = np.column_stack([_vectors(detections), 10.0 * _events_number(detections)])
        for number in range(len(keys)):
            mine = np.flatnonzero(member == number)
            if len(mine):
                limit = chord(radius_arcsec) * (1 + 1e-12)
                distance, nearest = cKDTree(points[mine]).query(points, distance_upper_bound=limit)
                found = np.isfinite(distance)
                index[found, number] = mine[np.asarray(nearest)[found]]
    return Matches(tuple(keys), member, index)


def _vectors(detections: pa.Table) -> FloatArray:
    return unit_vectors(detections["ra"].to_numpy(), detections["dec"].to_numpy())


def _events_number(detections: pa.Table) -> FloatArray:
    """Number of the observation and set of event lists of each detection."""
    pairs = zip(detections["obsid"].to_pylist(), detections["subset"].to_pylist(), strict=True)
    numbers: dict[tuple[str, int], int] = {}
    return np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], np.float64)


def matrix_rows(matches: Matches) -> list[dict[str, Any]]:
    """Rows of `SUBSET_MATRIX`, subset by subset."""
    size = np.bincount(matches.member[matches.member >= 0], minlength=len(matches.keys))
    rows = []
    for a, key_a in enumerate(matches.keys):
        of_a = matches.index[matches.member == a]
        for b, key_b in enumerate(matches.keys):
            n_matched = int(np.count_nonzero(of_a[:, b] >= 0))
            rows.append(
                _named("a", key_a)
                | _named("b", key_b)
                | {
                    "n_a": int(size[a]),
                    "n_b": int(size[b]),
                    "n_matched": n_matched,
                    "fraction": n_matched / size[a] if size[a] else None,
                }
            )
    return rows


def _named(subset: str, key: Key) -> dict[str, Any]:
    return {f"{name}_{subset}": value for name, value in zip(("t_bin", "e_min", "e_max"), key, strict=True)}


def index_columns(detections: pa.Table, matches: Matches) -> dict[str, Any]:
    """Columns of `SUBSET_INDICES`: all subsets of a detection one after the other."""
    n, k = matches.index.shape
    row = np.repeat(np.arange(n), k)
    tiled = [np.tile([key[place] for key in matches.keys], n) for place in range(3)]
    return {
        "detid": detections["detid"].take(pa.array(row)),
        "row": row,
        "t_bin_b": tiled[0],
        "e_min_b": tiled[1],
        "e_max_b": tiled[2],
        "index": matches.index.ravel(),
    }


def homogeneity(subset: IntArray, values: Sequence[object]) -> dict[str, Any] | None:
    """Chi-square test of whether values (None: not counted) have the same shares in all subsets.

    The table of counts n_ij has the expectation n_i. n_.j / n; sum (n - e)^2 / e follows chi-square with
    (rows - 1)(columns - 1) degrees of freedom (Pearson 1900). None when there is nothing to compare.
    """
    from scipy.special import gammaincc  # slow to import, and only comparisons need it

    counted = [(s, str(v)) for s, v in zip(subset.tolist(), values, strict=True) if v is not None and s >= 0]
    kinds, subsets = sorted({v for _, v in counted}), sorted({s for s, _ in counted})
    if len(kinds) < 2 or len(subsets) < 2:
        return None
    table = np.zeros((len(subsets), len(kinds)))
    for s, v in counted:
        table[subsets.index(s), kinds.index(v)] += 1
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    chi2 = float(((table - expected) ** 2 / expected).sum())
    dof = (len(subsets) - 1) * (len(kinds) - 1)
    return {
        "n_subsets": len(subsets),
        "n_values": len(kinds),
        "n": len(counted),
        "chi2": chi2,
        "dof": dof,
        "pval": float(gammaincc(dof / 2, chi2 / 2)),
        "min_expected": float(expected.min()),
    }


def homogeneity_rows(
    detections: pa.Table, member: IntArray, classes: Sequence[str | None] | None
) -> list[dict[str, Any]]:
    """Rows of `HOMOGENEITY` for the properties of the detections and, if known, their SIMBAD classes."""
    values: dict[str, Sequence[object]] = {name: detections[name].to_pylist() for name in PROPERTIES}
    if classes is not None:
        values["simbad_class"] = classes
    tested = {name: homogeneity(member, several) for name, several in values.items()}
    return [{"property": name} | result for name, result in tested.items() if result is not None]


def recluster_rows(
    detections: pa.Table, matches: Matches, radius_arcsec: float, linkage: Any
) -> list[dict[str, Any]]:
    """Rows of `RECLUSTER`: sources of each subset by the global labels and clustered by itself."""
    ra, dec = (detections[name].to_numpy() for name in ("ra", "dec"))
    srcid = detections["srcid"].to_numpy()
    rows = []
    for number, key in enumerate(matches.keys):
        mine = np.flatnonzero(matches.member == number)
        alone = cluster(ra[mine], dec[mine], radius_arcsec, linkage)
        whole = srcid[mine]
        pairs, together = np.unique(np.stack([whole, alone]), axis=1, return_counts=True)
        sizes = [dict(zip(*np.unique(labels, return_counts=True), strict=True)) for labels in (whole, alone)]
        triples = zip(*pairs.tolist(), together.tolist(), strict=True)
        same = [n == sizes[0][g] == sizes[1][a] for g, a, n in triples]
        parts = np.unique(pairs[0], return_counts=True)[1]
        rows.append(
            dict(zip(("t_bin", "e_min", "e_max"), key, strict=True))
            | {
                "n_detections": len(mine),
                "n_global": len(sizes[0]),
                "n_alone": len(sizes[1]),
                "n_same": sum(same),
                "n_divided": int(np.count_nonzero(parts > 1)),
            }
        )
    return rows


def draw(matches: Matches, rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the matrix: shares as colours, with shares and numbers as text."""
    from ephemera.figures.style import SEQUENTIAL, figure, margins, save

    n = len(matches.keys)
    fractions = [np.nan if row["fraction"] is None else row["fraction"] for row in rows]
    share: FloatArray = np.array(fractions).reshape(n, n)
    labels = [f"{t:g} s\n{low:g}-{high:g}" for t, low, high in matches.keys]
    with figure(2, height=6.3) as drawn:
        axes = drawn.subplots(gridspec_kw=margins(drawn, left=0.85, right=0.95, bottom=0.75, top=0.3))
        image = axes.imshow(share, vmin=0, vmax=1, cmap=SEQUENTIAL, origin="upper")
        for a in range(n):
            for b in range(n):
                one = rows[a * n + b]
                text = f"{share[a, b]:.2f}\n{one['n_matched']}/{one['n_a']}" if one["n_a"] else "none"
                dark = not share[a, b] > 0.55
                axes.text(b, a, text, ha="center", va="center", fontsize=6, color="w" if dark else "k")
        axes.set_xticks(range(n), labels)
        axes.set_yticks(range(n), labels)
        axes.tick_params(which="both", length=0)
        axes.set_xlabel("with a detection in subset b (frame length, band in keV)")
        axes.set_ylabel("detections of subset a")
        bar = drawn.colorbar(image, ax=axes, fraction=0.045, pad=0.02)
        bar.set_label("share of a that b has too")
        save(drawn, path)


def main(job: Job) -> None:
    """Write the comparison of subsets of one project."""
    settings: SubsetMatrixSettings = job.settings
    detections = read(job.input.detections, CATALOGUE_DETECTIONS)
    keys = subset_keys(job.settings.time_bins_s, job.settings.bands_kev)
    matches = find_matches(detections, keys, settings.radius_arcsec)
    rows = matrix_rows(matches)
    classes: list[str | None] | None = None
    for path in job.input.simbad:
        known, types = read_classes(job.settings.classes), matched_values(path, SIMBAD_TYPE) or []
        classes = [None if otype is None else class_of(otype, known) for otype in types]
    again: list[dict[str, Any]] = []
    if settings.recluster:
        again = recluster_rows(detections, matches, job.settings.cluster_radius_arcsec, job.settings.linkage)
    write(index_columns(detections, matches), SUBSET_INDICES, job.output.indices)
    write(rows, SUBSET_MATRIX, job.output.matrix)
    write(homogeneity_rows(detections, matches.member, classes), HOMOGENEITY, job.output.homogeneity)
    write(again, RECLUSTER, job.output.recluster)
    draw(matches, rows, job.output.figure)
