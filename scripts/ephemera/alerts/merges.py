"""Loci that may be one, and loci that may be two: candidates, and merging where it is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.loci import from_columns, means_of, scatter_and_sep99, sums_of
from ephemera.alerts.match import close_pairs, groups_of
from ephemera.alerts.outcomes import Kind
from ephemera.sky.sphere import positions, unit_vectors
from ephemera.tables.nested import F8, I4, I8, TEXT, nested_schema

MERGES = nested_schema(
    "merges",
    "Candidates for merging and splitting loci, and what was merged.",
    (
        ("what", TEXT, None, "meta.code.class", "merge or split"),
        ("locus_id", TEXT, None, "meta.id;meta.main", "Locus; the older one of a pair"),
        ("other_locus_id", TEXT, None, "meta.id", "The younger locus of a pair"),
        (
            "sep_arcsec",
            F8,
            "arcsec",
            "pos.angDistance",
            "Of the means; for splits of 99 % of the detections",
        ),
        ("n_det", I8, None, "meta.number", "Detections of both"),
        ("reason", TEXT, None, "meta.note", "Why it is a candidate"),
    ),
)
ALIASES = nested_schema(
    "aliases",
    "Loci that were merged into others.",
    (
        ("old", TEXT, None, "meta.id", "Locus that is no more"),
        ("new", TEXT, None, "meta.id", "Locus that has its detections"),
        ("night", I4, "d", "time.epoch", "Night of the merger"),
    ),
)
#: A locus with fewer detections is never a candidate for splitting.
FEWEST_TO_SPLIT = 10


def find_merges(loci: pa.Table, radius_arcsec: float, night: int) -> pa.Table:
    """Pairs of loci, one of them touched this night, whose means are within half the radius."""
    names, founded = loci["locus_id"].to_pylist(), _age(loci)
    recent = loci["night_updated"].to_numpy() == night
    n_det = loci["n_det"].to_pylist()
    rows = []
    for a, b, apart in close_pairs(means_of(loci), radius_arcsec / 2):
        if recent[a] or recent[b]:
            old, young = sorted((a, b), key=lambda k: founded[k])
            rows.append(
                {
                    "what": "merge",
                    "locus_id": names[old],
                    "other_locus_id": names[young],
                    "sep_arcsec": apart,
                    "n_det": n_det[old] + n_det[young],
                    "reason": "means within half the radius",
                }
            )
    rows.sort(key=lambda row: (row["locus_id"], row["other_locus_id"]))
    return pa.Table.from_pylist(rows, MERGES)


def find_splits(loci: pa.Table, radius_arcsec: float, touched: Collection[str]) -> pa.Table:
    """Touched loci that may hold two objects: wider than 0.75 radii, or with two objects of one survey."""
    wanted, rows = set(touched), []
    columns = (loci[name].to_pylist() for name in ("locus_id", "n_det", "sep99", "object_ids"))
    for name, n_det, sep99, ids in zip(*columns, strict=True):
        if name not in wanted or n_det < FEWEST_TO_SPLIT:
            continue
        wide = sep99 is not None and sep99 > 0.75 * radius_arcsec
        several = any(len(objects) > 1 for _, objects in ids or ())
        if wide or several:
            reason = "99 % separation above 0.75 radii" if wide else "several objects of one survey"
            rows.append({"what": "split", "locus_id": name, "other_locus_id": None, "sep_arcsec": sep99,
                         "n_det": n_det, "reason": reason})  # fmt: skip
    return pa.Table.from_pylist(rows, MERGES)


def _age(loci: pa.Table) -> list[tuple[int, float, str]]:
    """What orders loci by founding: night, first time, founding key."""
    columns = (loci[name].to_pylist() for name in ("night_founded", "mjd_first", "founder_key"))
    return list(zip(*columns, strict=True))


def merge_loci(loci: pa.Table, history: pa.Table, merges: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Loci and history with each group of candidates joined to its oldest, and the aliases old -> new."""
    if len(merges) == 0:
        return loci, history, ALIASES.empty_table()
    names, age = loci["locus_id"].to_pylist(), _age(loci)
    number = {name: k for k, name in enumerate(names)}
    pairs = [
        (number[a], number[b], 0.0)
        for a, b in zip(merges["locus_id"].to_pylist(), merges["other_locus_id"].to_pylist(), strict=True)
    ]
    group = groups_of(pairs, len(names))
    size = np.bincount(group)
    joined: dict[int, list[int]] = {}
    for k in np.flatnonzero(size[group] > 1).tolist():
        joined.setdefault(int(group[k]), []).append(k)
    new_name: dict[str, str] = {}
    for members in joined.values():
        members.sort(key=lambda k: age[k])
        new_name |= {names[k]: names[members[0]] for k in members[1:]}
    history = history.set_column(
        history.column_names.index("locus_id"), "locus_id",
        pa.array([new_name.get(name, name) for name in history["locus_id"].to_pylist()], pa.string()),
    )  # fmt: skip
    rows = [_merged(loci, members, history) for members in joined.values()]
    keep = np.ones(len(loci), bool)
    keep[[k for members in joined.values() for k in members]] = False
    table = pa.concat_tables([loci.filter(pa.array(keep)), *rows])
    night = int(pc.max(loci["night_updated"]).as_py())
    aliases = [{"old": old, "new": new, "night": night} for old, new in sorted(new_name.items())]
    return table.take(pc.sort_indices(table["locus_id"])), history, pa.Table.from_pylist(aliases, ALIASES)


def _merged(loci: pa.Table, members: list[int], history: pa.Table) -> pa.Table:
    """One row for loci that are one: sums and counts added, the oldest's name."""
    some = loci.take(pa.array(members))
    rows = some.to_pylist(maps_as_pydicts="strict")
    sums = sums_of(some).sum(axis=0, keepdims=True)
    ra, dec = positions(sums)
    oldest = rows[0]
    mine = history.filter(pc.equal(history["locus_id"], oldest["locus_id"]))
    mine = mine.filter(pc.equal(mine["kind"], int(Kind.DETECTION)))
    vectors = unit_vectors(mine["ra"].to_numpy(), mine["dec"].to_numpy()).reshape(-1, 3)
    scatter, sep99 = scatter_and_sep99(vectors, np.zeros(len(vectors), np.int64), sums / np.linalg.norm(sums))
    objects: dict[str, set[str]] = {}
    for row in rows:
        for survey, names in (row["object_ids"] or {}).items():
            objects.setdefault(survey, set()).update(names)
    last: dict[str, Any] = {}
    for row in sorted(rows, key=lambda r: r["mjd_last"]):
        last |= row["last_mag"] or {}
    columns: dict[str, Sequence[Any]] = {name: [oldest[name]] for name in loci.column_names}
    columns |= {name: [sum(r[name] for r in rows)] for name in ("n_det", "n_limit", "n_forced")}
    columns |= {f"sum_{axis}": [float(sums[0, k])] for k, axis in enumerate("xyz")}
    columns |= {"ra": [float(ra[0])], "dec": [float(dec[0])]}
    columns |= {"scatter": [float(scatter[0])], "sep99": [float(sep99[0])]}
    for name, choose in (("mjd_first", min), ("mjd_last", max), ("mag_min", min), ("mag_max", max)):
        columns[name] = [choose((r[name] for r in rows if r[name] is not None), default=None)]
    columns |= {
        "bands": [sorted({band for r in rows for band in r["bands"] or ()})],
        "last_mag": [sorted(last.items())],
        "object_ids": [sorted((s, sorted(names)) for s, names in objects.items())],
        "flags": [sorted({flag for r in rows for flag in r["flags"] or ()} | {"merged"})],
        "night_updated": [max(r["night_updated"] for r in rows)],
    }
    return from_columns(columns)
