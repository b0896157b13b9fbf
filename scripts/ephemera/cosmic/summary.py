"""What a run found: verdicts, filters, histograms, interference by antenna, occupancy, events, completeness.

Reads the tables of all observations. Makes one page that opens from disk, and the tables behind it. Fails
only when there were inputs and nothing could be read.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.cosmic.completeness import COMPLETENESS, completeness
from ephemera.cosmic.event_columns import EVENTS, FILTER_COUNTS
from ephemera.cosmic.hit_columns import FILTERED_HITS
from ephemera.cosmic.index_columns import BAD_INPUTS
from ephemera.cosmic.stamp_columns import MATCHED_STAMPS
from ephemera.cosmic.summary_page import Summary, summary_page
from ephemera.cosmic.verdict import RFI
from ephemera.files import write_text
from ephemera.pages import address
from ephemera.tables import Column, TableDeclaration, numbers, read, write

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

TALLY = TableDeclaration(
    "antenna_tally",
    "How often an antenna was the strongest in a stamp of interference.",
    (
        Column("antenna", "str", None, "meta.id;instr", "Antenna"),
        Column("n_rfi", "i8", None, "meta.number", "Verdicts of interference in which it was the strongest"),
        Column("n_single", "i8", None, "meta.number", "Of these, in one antenna alone"),
        Column("share", "f8", None, "arith.ratio", "Share of all such verdicts"),
    ),
)


class NothingRead(Exception):  # noqa: N818 - says what happened
    """There were inputs, and not one message of them could be read."""


def tally(stamps: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Rows of the table of antennas, worst first."""
    alone, all_of = Counter[str](), Counter[str]()
    for name, verdict in zip(stamps["ant_max"], stamps["class"], strict=True):
        if verdict in RFI and name is not None:
            all_of[name] += 1
            alone[name] += verdict == RFI[0]
    ordered = sorted(all_of.items(), key=lambda entry: (-entry[1], entry[0]))
    return [
        {"antenna": name, "n_rfi": number, "n_single": alone[name], "share": number / all_of.total()}
        for name, number in ordered
    ]


def occupancy(frequencies: npt.NDArray[np.float64]) -> dict[int, int]:
    """Hits by bins of 1 MHz, named by their lower end."""
    bins, counts = np.unique(np.floor(frequencies).astype(np.int64), return_counts=True)
    return dict(zip(bins.tolist(), counts.tolist(), strict=True))


def total_counts(counts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Filters over all observations: hits before, after, removed by reason."""
    found: dict[tuple[int, str], dict[str, Any]] = {}
    for row in counts:
        key = (row["number"], row["step"])
        entry = found.setdefault(
            key, {"step": row["step"], "parameters": set(), "n_in": 0, "n_out": 0, "reasons": Counter()}
        )
        entry["parameters"].add(row["parameters"] or "")
        for name in ("n_in", "n_out"):
            entry[name] += row[name]
        for part in (row["by_reason"] or "").split(", "):
            reason, _, number = part.rpartition(" ")
            if reason:
                entry["reasons"][reason] += int(number)
    return [
        {
            **entry,
            "parameters": "; ".join(sorted(entry["parameters"])),
            "n_removed": entry["n_in"] - entry["n_out"],
            "by_reason": ", ".join(f"{k} {v}" for k, v in sorted(entry["reasons"].items())),
        }
        for _, entry in sorted(found.items())
    ]


def observation_rows(hits: Sequence[pa.Table], stamps: Sequence[pa.Table], names: Sequence[str]) -> list[Any]:
    """One row an observation: hits, kept, stamps, without a hit, verdicts."""
    rows = []
    for name, hit, stamp in zip(names, hits, stamps, strict=True):
        verdicts = Counter(stamp["class"].to_pylist())
        rows.append(
            {
                "prefix": name,
                "hits": len(hit),
                "kept": sum(hit["kept"].to_pylist()),
                "stamps": len(stamp),
                "unmatched": stamp["hit_id"].null_count,
                "verdicts": ", ".join(f"{k} {v}" for k, v in verdicts.most_common()),
            }
        )
    return rows


def verdicts_by_place(stamps: Sequence[pa.Table], names: Sequence[str]) -> dict[tuple[str, str, int], str]:
    """Verdict of each stamp by (prefix, part, position)."""
    found = {}
    for name, table in zip(names, stamps, strict=True):
        columns = (table[key].to_pylist() for key in ("part", "position", "class"))
        found.update({(name, part, place): verdict for part, place, verdict in zip(*columns, strict=True)})
    return found


def main(job: Job) -> None:
    """Write the summary of one project."""
    names = [path.parent.name for path in job.input.hits]
    hits = [read(path, FILTERED_HITS) for path in job.input.hits]
    stamps = [read(path, MATCHED_STAMPS) for path in job.input.stamps]
    bad = pa.concat_tables([read(path, BAD_INPUTS) for path in job.input.bad_inputs]).to_pylist()
    counts = [row for path in job.input.filter_counts for row in read(path, FILTER_COUNTS).to_pylist()]
    cadence = read(job.input.cadence_counts, FILTER_COUNTS).to_pylist()
    all_hits, all_stamps = pa.concat_tables(hits), pa.concat_tables(stamps)
    truths = [json.loads(Path(p).read_text(encoding="utf-8")) for p in getattr(job.input, "truths", [])]
    recovered = completeness(truths, verdicts_by_place(stamps, names))
    verdicts = all_stamps["class"].to_pylist()
    antennas = tally({"class": verdicts, "ant_max": all_stamps["ant_max"].to_pylist()})
    summary = Summary(
        project=job.wildcards.project,
        observations=observation_rows(hits, stamps, names),
        verdicts=Counter(verdicts),
        counts=total_counts(counts) + cadence,
        bad_inputs=bad,
        hit_snr=_finite(all_hits, "snr"),
        stamp_snr=_finite(all_stamps, "snr_local"),
        drift=_finite(all_hits, "drift_rate_hz_s"),
        occupancy=occupancy(_finite(all_hits, "freq_mhz")),
        antennas=antennas,
        events=read(job.input.events, EVENTS).to_pylist(),
        completeness=COMPLETENESS.arrow(recovered).to_pylist(),
        galleries=_galleries(job, names),
    )
    write_text(job.output.page, summary_page(summary))
    write(recovered, COMPLETENESS, job.output.completeness)
    write([*counts, *cadence], FILTER_COUNTS, job.output.filter_counts)
    write(bad, BAD_INPUTS, job.output.bad_inputs)
    write(antennas, TALLY, job.output.antennas)
    report(len(all_hits), len(all_stamps), bad)


def _galleries(job: Job, names: Sequence[str]) -> dict[str, str]:
    """Address of the gallery of each observation; of none where no galleries are made."""
    folder = job.settings.gallery_folder
    if folder is None:
        return {}
    return {name: address(Path(folder, name, "gallery.html"), job.output.page) for name in names}


def _finite(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    values = numbers(table, name)
    return values[np.isfinite(values)]


def report(n_hits: int, n_stamps: int, bad: Sequence[Mapping[str, Any]]) -> None:
    """Say on the terminal what was read and what not. Raises NothingRead.

    A file without messages was read: that nothing was found is a result.
    """
    codes = Counter(row["code"] for row in bad)
    text = ", ".join(f"{code} {number}" for code, number in codes.most_common())
    line = f"cosmic: {n_hits} hits and {n_stamps} stamps read, {len(bad)} bad inputs" + (
        f" ({text})" if text else ""
    )
    log.info(line)
    sys.stderr.write(line + "\n")
    if not n_hits and not n_stamps and any(map(_lost, bad)):
        raise NothingRead(line)


def _lost(row: Mapping[str, Any]) -> bool:
    """Whether hits or stamps could not be read."""
    return bool(row["kind"] != "recipe" and row["action"] != "kept")
