"""Source ids that persist: a new catalogue takes over the ids of an earlier one for the same sources.

A registered source goes to the component that holds most of its detections (its *home*; at a tie the one
named first). A component that is home to one registered source takes its id; to several, the oldest
(smallest) id wins and the others become `merged`. A component that is home to none but holds detections of a
registered source is a part split off: it gets a new id. Components with new detections only take the id of
the nearest registered source within the radius that has no home, else a new one. Ids are never used again;
a registered source that no component takes stays as `absent`, and is active again when it comes back.

`python -m ephemera.xmm.registry RESULT KEPT` keeps the registry of a finished catalogue as the file that the
next configuration names in `xmm.catalogue.registry`; it refuses to lose an id.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ephemera.sky.names import iau_names
from ephemera.sky.sphere import chord, unit_vectors
from ephemera.tables import read, write
from ephemera.xmm.catalogue_columns import REGISTRY

ACTIVE, MERGED, ABSENT = "active", "merged", "absent"


@dataclass(frozen=True)
class Component:
    """A cluster of detections of the new catalogue: their ids and the mean position (degrees)."""

    detids: frozenset[str]
    ra: float
    dec: float


@dataclass(frozen=True)
class Identity:
    """What a component is called: id, name, and how it came to it (`new`, `known`, `merged`, `split`)."""

    srcid: int
    name: str
    status: str


@dataclass(frozen=True)
class Homes:
    """Registered sources by the component that is their home, and where other parts come from."""

    claims: Mapping[int, list[int]]
    parts: Mapping[int, int]


def find_homes(components: Sequence[Component], registered: Sequence[Mapping[str, Any]]) -> Homes:
    """Home of each registered source (by row) and, for components without one, the source they split from."""
    component_of = {detid: k for k, each in enumerate(components) for detid in each.detids}
    claims: defaultdict[int, list[int]] = defaultdict(list)
    shared: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for row, source in enumerate(registered):
        found = Counter(component_of[d] for d in _detids(source) if d in component_of)
        if source["status"] == MERGED or not found:
            continue
        home = min(found, key=lambda k: (-found[k], k))
        claims[home].append(row)
        for k, number in found.items():
            shared[k][row] = number
    parts = {
        k: min(rows, key=lambda row: (-rows[row], registered[row]["srcid"]))
        for k, rows in shared.items()
        if k not in claims
    }
    return Homes(dict(claims), parts)


def _detids(source: Mapping[str, Any]) -> list[str]:
    return str(source["detids"] or "").split()


def near_homeless(
    components: Sequence[Component],
    candidates: Sequence[int],
    registered: Sequence[Mapping[str, Any]],
    homeless: Sequence[int],
    radius_arcsec: float,
) -> dict[int, int]:
    """Registered sources without a home that lie within the radius of components, each used once.

    Closest pairs are joined first; of equally close ones the oldest source.
    """
    if not candidates or not homeless:
        return {}
    here = unit_vectors([components[k].ra for k in candidates], [components[k].dec for k in candidates])
    there = unit_vectors([registered[r]["ra"] for r in homeless], [registered[r]["dec"] for r in homeless])
    pairs = cKDTree(here).sparse_distance_matrix(cKDTree(there), chord(radius_arcsec), output_type="ndarray")
    order = sorted(
        (float(p["v"]), registered[homeless[p["j"]]]["srcid"], int(p["i"]), int(p["j"])) for p in pairs
    )
    taken: dict[int, int] = {}
    used: set[int] = set()
    for _, _, i, j in order:
        if candidates[i] not in taken and homeless[j] not in used:
            taken[candidates[i]] = homeless[j]
            used.add(homeless[j])
    return taken


def identify(
    components: Sequence[Component],
    registered: Sequence[Mapping[str, Any]],
    *,
    radius_arcsec: float,
    version: str,
    prefix: str,
) -> tuple[list[Identity], list[dict[str, Any]]]:
    """Identity of each component, and the rows of the new registry in order of srcid.

    `registered` are the rows of the earlier registry. The answer for the same components and the registry
    that this function returned is the same ids and the same registry.
    """
    rows = [dict(source) for source in registered]
    homes = find_homes(components, rows)
    claimed = {row for several in homes.claims.values() for row in several}
    homeless = [r for r, s in enumerate(rows) if s["status"] != MERGED and r not in claimed]
    fresh = [k for k in range(len(components)) if k not in homes.claims and k not in homes.parts]
    near = near_homeless(components, fresh, rows, homeless, radius_arcsec)
    unnamed = [k for k in range(len(components)) if k not in homes.claims and k not in near]
    names = _new_names(components, unnamed, {str(source["name"]) for source in rows}, prefix)
    following = 1 + max((int(source["srcid"]) for source in rows), default=0)
    identities: list[Identity] = []
    for r in homeless:
        rows[r]["status"] = ABSENT
    for k in range(len(components)):
        several = sorted(homes.claims.get(k, [near[k]] if k in near else []), key=lambda r: rows[r]["srcid"])
        if several:
            winner = rows[several[0]]
            for loser in several[1:]:
                rows[loser] |= {"status": MERGED, "merged_into": winner["srcid"]}
            status = "merged" if len(several) > 1 else "known"
        else:
            part = homes.parts.get(k)
            winner = {"srcid": following, "name": names[k], "first_version": version, "merged_into": None}
            winner["split_from"] = None if part is None else rows[part]["srcid"]
            following += 1
            rows.append(winner)
            status = "new" if part is None else "split"
        one = components[k]
        winner |= {"status": ACTIVE, "ra": one.ra, "dec": one.dec, "detids": " ".join(sorted(one.detids))}
        identities.append(Identity(int(winner["srcid"]), str(winner["name"]), status))
    return identities, sorted(rows, key=lambda row: int(row["srcid"]))


def _new_names(
    components: Sequence[Component], numbers: Sequence[int], taken: set[str], prefix: str
) -> dict[int, str]:
    """Names of new sources; equal ones get suffixes in order of the detections, and none is used twice."""
    order = sorted(numbers, key=lambda k: min(components[k].detids))
    ra: npt.NDArray[np.float64] = np.array([components[k].ra for k in order])
    dec: npt.NDArray[np.float64] = np.array([components[k].dec for k in order])
    found = {}
    for k, name in zip(order, iau_names(ra, dec, prefix).tolist() if order else [], strict=True):
        found[k] = next(free for free in _variants(name) if free not in taken)
        taken.add(found[k])
    return found


def _variants(name: str) -> Any:
    """The name, then the name with a, b, ..., z, and so on."""
    yield name
    for variant in _variants(name):
        for letter in "abcdefghijklmnopqrstuvwxyz":
            yield variant + letter


def read_registry(path: str | Path | None) -> list[dict[str, Any]]:
    """Rows of a registry, none for None. Raises ValueError naming the file for a table of another kind."""
    if path is None:
        return []
    rows: list[dict[str, Any]] = read(path, REGISTRY).to_pylist()
    ids = Counter(row["srcid"] for row in rows)
    twice = sorted(srcid for srcid, number in ids.items() if number > 1)
    if twice:
        message = f"{path}: source {twice[0]} is there twice; a registry has one row a source"
        raise ValueError(message)
    return rows


def keep(result: Path, kept: Path) -> int:
    """Copy the registry of a catalogue to where it is kept; returns the number of sources that are new."""
    rows = read_registry(result)
    before = {row["srcid"] for row in read_registry(kept)} if kept.exists() else set()
    lost = sorted(before - {row["srcid"] for row in rows})
    if lost:
        message = (
            f"{result} lacks source {lost[0]} and {len(lost) - 1} others of {kept}: it was made without that "
            f"registry. Name it in xmm.catalogue.registry and run again"
        )
        raise ValueError(message)
    write(rows, REGISTRY, kept)
    return len(rows) - len(before)


def main(arguments: list[str] | None = None) -> int:
    """Keep a registry; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ephemera.xmm.registry", description=keep.__doc__)
    parser.add_argument("result", type=Path, help="registry.csv of a finished catalogue")
    parser.add_argument("kept", type=Path, help="file named in xmm.catalogue.registry")
    options = parser.parse_args(arguments)
    try:
        new = keep(options.result, options.kept)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"registry: {error}\n")
        return 1
    sys.stdout.write(f"{options.kept}: {new} new sources\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
