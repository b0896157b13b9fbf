"""Where surveys' objects and loci disagree: two objects of a survey in a locus, one object in two loci."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from itertools import combinations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.outcomes import Kind
from ephemera.sky.sphere import angle_arcsec, unit_vectors
from ephemera.tables.nested import F8, TEXT, nested_schema

CONFLICTS = nested_schema(
    "conflicts",
    "Objects of a survey that do not agree with the loci.",
    (
        ("what", TEXT, None, "meta.code.class", "Two objects in one locus, or one object in two loci"),
        ("survey", TEXT, None, "meta.id", "Survey whose objects they are"),
        ("locus_id", TEXT, None, "meta.id", "Locus"),
        ("other_locus_id", TEXT, None, "meta.id", "The other locus"),
        ("object_id", TEXT, None, "meta.id.assoc", "Object of the survey"),
        ("other_object_id", TEXT, None, "meta.id.assoc", "The other object"),
        ("sep_arcsec", F8, "arcsec", "pos.angDistance", "Separation of the two sets of detections"),
        ("overlap_d", F8, "d", "time.duration", "Time they have in common; negative for a gap"),
    ),
)


def find_conflicts(loci: pa.Table, history: pa.Table, touched: Collection[str]) -> pa.Table:
    """Conflicts in which a touched locus has a part.

    The separation is that of the mean positions of the two sets of detections; `overlap_d` is the time
    they have in common, negative where there is a gap between them.
    """
    wanted = set(touched)
    pairs: list[tuple[str, str, str, str, str, str]] = []
    homes: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, ids in zip(loci["locus_id"].to_pylist(), loci["object_ids"].to_pylist(), strict=True):
        for survey, objects in ids or ():
            for one in objects:
                homes[survey, one].append(name)
            if name in wanted:
                pairs += [("two_ids_in_locus", survey, name, name, a, b) for a, b in combinations(objects, 2)]
    for (survey, one), names in homes.items():
        if len(names) > 1:
            pairs += [
                ("id_in_two_loci", survey, a, b, one, one)
                for a, b in combinations(sorted(names), 2)
                if {a, b} & wanted
            ]
    if not pairs:
        return CONFLICTS.empty_table()
    tracks = _tracks(history, {name for pair in pairs for name in pair[2:4]})
    rows = []
    for pair in sorted(pairs):
        one, two = tracks.get((pair[1], pair[2], pair[4])), tracks.get((pair[1], pair[3], pair[5]))
        separation, overlap = _compared(one, two)
        rows.append(
            {**dict(zip(CONFLICTS.names, pair, strict=False)), "sep_arcsec": separation, "overlap_d": overlap}
        )
    return pa.Table.from_pylist(rows, CONFLICTS)


_Track = tuple[np.ndarray, float, float]


def _tracks(history: pa.Table, names: Collection[str]) -> dict[tuple[str, str, str], _Track]:
    """Sum of unit vectors, first and last time of the detections of each (survey, locus, object)."""
    chosen = pc.and_(
        pc.is_in(history["locus_id"], pa.array(sorted(names), pa.string())),
        pc.equal(history["kind"], int(Kind.DETECTION)),
    )
    some = history.filter(chosen)
    vectors = unit_vectors(some["ra"].to_numpy(), some["dec"].to_numpy()).reshape(-1, 3)
    keys = zip(
        some["survey"].cast(pa.string()).to_pylist(), some["locus_id"].to_pylist(),
        some["object_id"].to_pylist(), strict=True,
    )  # fmt: skip
    tracks: dict[tuple[str, str, str], _Track] = {}
    for k, (key, time) in enumerate(zip(keys, some["mjd_utc"].to_pylist(), strict=True)):
        total, first, last = tracks.get(key, (np.zeros(3), np.inf, -np.inf))
        tracks[key] = total + vectors[k], min(first, time), max(last, time)
    return tracks


def _compared(one: _Track | None, two: _Track | None) -> tuple[float | None, float | None]:
    if one is None or two is None:
        return None, None
    a, b = one[0] / np.linalg.norm(one[0]), two[0] / np.linalg.norm(two[0])
    return float(angle_arcsec(np.linalg.norm(a - b))), float(min(one[2], two[2]) - max(one[1], two[1]))
