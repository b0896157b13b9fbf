"""Join hits and stamps of an observation, and mark what is a copy, a repeat, cut, or in many beams.

Reads the tables of hits and of all stamps files. Makes the tables of the observation, in all formats, sorted
by file and position whatever the order in which jobs ended, and counts of hits before and after each filter.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.cosmic.event_columns import FILTER_COUNTS
from ephemera.cosmic.filters import (
    NONE,
    Count,
    Filtered,
    apply_cuts,
    remove_copies,
    remove_many_beams,
    remove_repeats,
)
from ephemera.cosmic.hit_columns import FILTERED_HITS, HITS
from ephemera.cosmic.index_columns import BAD_INPUTS
from ephemera.cosmic.matching import Match, match_all
from ephemera.cosmic.stamp_columns import ANTENNAS, BEAMS, MATCHED_STAMPS, STAMPS
from ephemera.tables import SUFFIX_OF, TableDeclaration, numbers, read, write

if TYPE_CHECKING:
    from ephemera.config.cosmic import Events as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Columns that filters and matching compare.
NUMBERS = (
    "position",
    "freq_mhz",
    "drift_rate_hz_s",
    "drift_steps",
    "snr",
    "beam",
    "coarse_channel",
    "index",
    "n_time",
    "power",
    "incoherent_power",
    "fch1_mhz",
    "foff_hz",
    "tstart_mjd",
    "tsamp_s",
)


def arrays(hits: pa.Table, n_beams: int | None) -> dict[str, npt.NDArray[Any]]:
    """Columns of hits as float64 with NaN for null, and the kind of beam."""
    found: dict[str, npt.NDArray[Any]] = {name: numbers(hits, name) for name in NUMBERS}
    beam = found["beam"]
    kind = np.full(len(hits), "unknown", object)
    kind[beam < 0] = "incoherent"
    if n_beams is not None:
        kind[beam >= n_beams] = "incoherent"
        kind[(beam >= 0) & (beam < n_beams)] = "coherent"
    found["beam_kind"] = kind
    return found


def run_filters(
    hits: Mapping[str, npt.NDArray[Any]], n_beams: int | None, n_antennas: int | None, settings: Settings
) -> Filtered:
    """All filters in their order."""
    bands: Sequence[Any] = settings.exclude_mhz
    found = Filtered.start(len(hits["snr"]))
    remove_copies(hits, found)
    remove_repeats(hits, found, settings.repeat_tolerance_hz)
    apply_cuts(
        hits,
        found,
        snr_min=settings.snr_min,
        drift_min=settings.drift_min_hz_s,
        drift_max=settings.drift_max_hz_s,
        drop_zero=settings.drop_zero_drift,
        bands=[(band["name"], band["low_mhz"], band["high_mhz"]) for band in bands],
    )
    remove_many_beams(hits, found, n_beams=n_beams, n_antennas=n_antennas, tolerance=settings.beam_tolerance)
    return found


def filtered_hits(
    hits: pa.Table,
    kinds: npt.NDArray[Any],
    found: Filtered,
    matches: Sequence[Match],
    stamp_ids: Sequence[str],
) -> dict[str, Any]:
    """Columns of the table of hits with what matching and filters found."""
    ids = hits["hit_id"].to_numpy(zero_copy_only=False)
    stamp_id, kind = np.full(len(hits), None, object), np.full(len(hits), None, object)
    for name, match in zip(reversed(stamp_ids), reversed(matches), strict=True):
        if match.hit is not None:
            stamp_id[match.hit], kind[match.hit] = name, match.kind
    columns = {name: hits[name] for name in HITS.names}
    return columns | {
        "beam_kind": kinds,
        "stamp_id": stamp_id,
        "match_kind": kind,
        "dup_of": _names(ids, found.dup_of),
        "repeat_of": _names(ids, found.repeat_of),
        "n_repeats": found.n_repeats.astype(np.int32),
        "n_beams": found.n_beams.astype(np.int32),
        "kept": found.kept,
        "reason": found.reason,
    }


def _names(ids: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    names = np.full(len(rows), None, object)
    known = rows != NONE
    names[known] = ids[rows[known]]
    return names


def matched_stamps(
    stamps: pa.Table, matches: Sequence[Match], hit_ids: pa.Array, found: Filtered
) -> pa.Table:
    """The table of stamps with the hit of each."""
    rows = [match.hit for match in matches]
    kept = found.kept
    more = {
        "hit_id": [None if row is None else hit_ids[row].as_py() for row in rows],
        "match_kind": [match.kind for match in matches],
        "n_candidates": [match.n_candidates for match in matches],
        "kept": [True if row is None else bool(kept[row]) for row in rows],
    }
    return MATCHED_STAMPS.arrow({name: stamps[name] for name in STAMPS.names} | more)


def count_rows(prefix: str, counts: Sequence[Count]) -> list[dict[str, Any]]:
    """Rows of the table of filters."""
    return [
        {
            "prefix": prefix,
            "number": number,
            "step": count.step,
            "parameters": count.parameters,
            "n_in": count.n_in,
            "n_out": count.n_out,
            "n_removed": count.n_removed,
            "by_reason": ", ".join(f"{k} {v}" for k, v in sorted(count.removed.items())),
        }
        for number, count in enumerate(counts, 1)
    ]


def joined(paths: Sequence[Path], declaration: TableDeclaration, keys: Sequence[str]) -> pa.Table:
    """All rows of tables of one declaration, sorted by `keys`."""
    tables = [read(path, declaration) for path in paths]
    if not tables:
        return declaration.empty()
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in keys])


def array_sizes(beams: pa.Table, stamps: pa.Table) -> tuple[int | None, int | None]:
    """Number of coherent beams and of antennas of an observation; None where stamps do not tell."""
    coherent = beams["beam"].drop_null().to_pylist()
    antennas = stamps["n_ant"].drop_null().to_pylist()
    has_recipe = stamps["recipe_file"].null_count < len(stamps)
    return (max(coherent) + 1 if coherent else (0 if has_recipe else None)), max(antennas, default=None)


def main(job: Job) -> None:
    """Write the tables of one observation."""
    settings: Settings = job.settings
    hits = read(job.input.hits, HITS)
    stamps = joined(job.input.stamps, STAMPS, ["part", "position"])
    place = {name: number for number, name in enumerate(stamps["stamp_id"].to_pylist())}
    antennas = in_order(joined(job.input.antennas, ANTENNAS, ["index"]), place)
    beams = in_order(joined(job.input.beams, BEAMS, ["kind", "beam"]), place)
    n_beams, n_antennas = array_sizes(beams, stamps)
    values = arrays(hits, n_beams)
    found = run_filters(values, n_beams, n_antennas, settings)
    matches = match_all(stamps.to_pylist(), values)
    ids = stamps["stamp_id"].to_pylist()
    bad = joined(
        [job.input.index_bad_inputs, job.input.hits_bad_inputs, *job.input.stamps_bad_inputs],
        BAD_INPUTS,
        ["file", "position", "code"],
    )
    tables = {
        "hits": (filtered_hits(hits, values["beam_kind"], found, matches, ids), FILTERED_HITS),
        "stamps": (matched_stamps(stamps, matches, hits["hit_id"], found), MATCHED_STAMPS),
        "antennas": (antennas, ANTENNAS),
        "beams": (beams, BEAMS),
        "filter_counts": (count_rows(job.wildcards.prefix, found.counts), FILTER_COUNTS),
        "bad_inputs": (distinct(bad), BAD_INPUTS),
    }
    job.output.tables.mkdir(parents=True)
    for name, (table, declaration) in tables.items():
        write(table, declaration, getattr(job.output, name))
        for kind in settings.formats:
            write(table, declaration, job.output.tables / f"{name}{SUFFIX_OF[kind]}")
    unmatched = sum(match.hit is None for match in matches)
    log.info(
        "%d hits, %d kept; %d stamps, %d without a hit", len(hits), found.kept.sum(), len(ids), unmatched
    )


def in_order(table: pa.Table, place: Mapping[str, int]) -> pa.Table:
    """Rows in the order of their stamps; rows of one stamp stay as they are."""
    numbers = np.array([place[name] for name in table["stamp_id"].to_pylist()], np.int64)
    return table.take(pa.array(np.argsort(numbers, kind="stable")))


def distinct(table: pa.Table) -> pa.Table:
    """Rows that differ; the index and later steps may have met the same problem."""
    rows = list({tuple(row.values()): row for row in table.to_pylist()}.values())
    return BAD_INPUTS.arrow(rows)
