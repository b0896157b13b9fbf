"""The table of hits: what the detector said, and the local SNR where the file has the power around a hit.

    table = read_hits("X.seticore.hits")

Reads the hits file of an observation in one pass. Fields that the writer did not know are null.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.bad_inputs import bad_message, distinct
from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.flags import BadMessage, Flag, Rejected, joined
from ephemera.cosmic.frames import MAX_MESSAGE, Buffer, index_frames
from ephemera.cosmic.hit_columns import HITS
from ephemera.cosmic.hit_messages import HitColumns, cut_out, decode_hits
from ephemera.cosmic.index import MIB
from ephemera.cosmic.index_columns import BAD_INPUTS
from ephemera.cosmic.metadata import FILTERBANK, SIGNAL, stored
from ephemera.cosmic.names import prefix_of
from ephemera.cosmic.snr import CONTAMINATED, EDGE_COLUMNS, PathStatistics, measure
from ephemera.cosmic.stamp_messages import MappedFile
from ephemera.cosmic.validation import (
    axis_is_good,
    column_of,
    coordinates_are_good,
    drift_agrees,
    frequency_agrees,
)
from ephemera.tables import write

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.cosmic import Hits as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def read_hits(path: str | os.PathLike[str]) -> pa.Table:
    """Table (columns `HITS`) of the hits of a file; what cannot be used is left out and noted in the log."""
    values, rejected = hit_table(Path(path), prefix_of(Path(path).name))
    for entry in rejected:
        log.warning("%s, message %d at byte %d: %s", path, entry.position, entry.offset, entry.problem)
    return HITS.arrow(values)


def hit_table(
    path: Path, prefix: str, edge_columns: int = EDGE_COLUMNS, max_message: int = MAX_MESSAGE
) -> tuple[dict[str, Any], list[Rejected]]:
    """Columns of the table of hits of a file, and the messages that are not used."""
    file = MappedFile(path)
    index = index_frames(file.buffer, max_message)
    hits, rejected = decode_hits(file.buffer, index.frames)
    if index.problem is not None:
        rejected.append(Rejected(len(index.frames), index.end, index.problem))
    values = _columns(hits, path, prefix)
    flags = basic_flags(values, hits)
    local, more = _local(file.buffer, hits, flags, edge_columns)
    values |= local
    values["flags"] = [joined(flags.get(row, ())) for row in range(len(hits))]
    keep = np.ones(len(hits), bool)
    keep[[number for number, _ in more]] = False
    rejected += [Rejected(int(hits.position[k]), int(hits.offset[k]), problem) for k, problem in more]
    if not keep.all():
        values = {name: _select(column, keep) for name, column in values.items()}
    return values, sorted(rejected, key=lambda entry: entry.position)


def _columns(hits: HitColumns, path: Path, prefix: str) -> dict[str, Any]:
    """Columns that need no data."""
    signal, bank = hits.signal, hits.filterbank
    n_time = _present(signal, SIGNAL, "numTimesteps", hits.signal_words)
    mask = np.ma.getmaskarray(n_time) | (n_time.data == 0)
    n_time = np.ma.array(np.where(mask, bank["numTimesteps"], n_time.data), mask=bank["numTimesteps"] < 1)
    ra, dec = bank["ra"], bank["dec"]
    bad = ~coordinates_are_good(ra, dec) | (hits.filterbank_words == 0)
    return {
        "hit_id": [f"{prefix}:hit:{number}" for number in hits.position.tolist()],
        "file": np.full(len(hits), str(path), object),
        "position": hits.position,
        "offset": hits.offset,
        "source": hits.source,
        "ra_deg": np.where(bad, np.nan, ra * 15),
        "dec_deg": np.where(bad, np.nan, dec),
        "freq_mhz": _present(signal, SIGNAL, "frequency", hits.signal_words),
        "drift_rate_hz_s": _present(signal, SIGNAL, "driftRate", hits.signal_words),
        "drift_steps": _present(signal, SIGNAL, "driftSteps", hits.signal_words),
        "snr": _present(signal, SIGNAL, "snr", hits.signal_words),
        "beam": _present(signal, SIGNAL, "beam", hits.signal_words),
        "beam_kind": np.full(len(hits), "unknown", object),
        "coarse_channel": _present(signal, SIGNAL, "coarseChannel", hits.signal_words),
        "index": _present(signal, SIGNAL, "index", hits.signal_words),
        "start_channel": _present(bank, FILTERBANK, "startChannel", hits.filterbank_words),
        "n_time": n_time,
        "n_chan": _present(bank, FILTERBANK, "numChannels", hits.filterbank_words),
        "fch1_mhz": _present(bank, FILTERBANK, "fch1", hits.filterbank_words),
        "foff_hz": _present(bank, FILTERBANK, "foff", hits.filterbank_words) * 1e6,
        "tstart_mjd": _present(bank, FILTERBANK, "tstart", hits.filterbank_words),
        "tsamp_s": _present(bank, FILTERBANK, "tsamp", hits.filterbank_words),
        "power": _present(signal, SIGNAL, "power", hits.signal_words),
        "incoherent_power": _present(signal, SIGNAL, "incoherentPower", hits.signal_words),
        "telescope_id": _present(bank, FILTERBANK, "telescopeId", hits.filterbank_words),
        "has_data": hits.data_count > 0,
    }


def _present(
    structs: npt.NDArray[Any], layout: np.dtype[np.void], field: str, words: npt.NDArray[np.int64]
) -> Any:
    """A field as a masked array: masked where the file's struct is too short to hold it."""
    lengths = np.unique(words)
    known = {int(length): stored(layout, field, int(length)) for length in lengths}
    absent = np.isin(words, [length for length, there in known.items() if not there])
    return np.ma.array(np.ascontiguousarray(structs[field]), mask=absent)


def basic_flags(values: Mapping[str, Any], hits: HitColumns) -> dict[int, set[Flag]]:
    """Flags that follow from the fields of hits, by row; most hits have none."""
    bank, signal = hits.filterbank, hits.signal
    foff, tsamp, fch1 = bank["foff"], bank["tsamp"], bank["fch1"]
    unset = (hits.signal_words == 0) | ~np.isfinite(signal["frequency"])
    bad_axis = ~axis_is_good(fch1, foff, tsamp)
    n_time = np.ma.filled(values["n_time"], 1)
    mismatch = ~drift_agrees(signal["driftRate"], signal["driftSteps"], foff, tsamp, n_time)
    column = signal["index"].astype(np.int64) - bank["startChannel"]
    far = ~frequency_agrees(signal["frequency"], column, fch1, foff)
    known = ~np.ma.getmaskarray(values["start_channel"])
    there = hits.filterbank_words > 0
    marks = {
        Flag.BAD_AXIS: there & bad_axis,
        Flag.BAD_COORDS: there & np.isnan(values["ra_deg"]),
        Flag.NO_SIGNAL: unset,
        Flag.DRIFT_MISMATCH: there & ~unset & ~bad_axis & mismatch,
        Flag.FREQ_MISMATCH: there & known & ~unset & ~bad_axis & far,
    }
    flags: dict[int, set[Flag]] = {}
    for flag, marked in marks.items():
        for row in np.flatnonzero(marked).tolist():
            flags.setdefault(row, set()).add(flag)
    return flags


def _local(
    buffer: Buffer, hits: HitColumns, flags: dict[int, set[Flag]], per_side: int
) -> tuple[dict[str, Any], list[tuple[int, BadMessage]]]:
    """Local SNR of hits that carry data, and the hits that are rejected (number, why); adds to `flags`."""
    names = ("path_power", "edge_mean", "edge_std", "snr_local", "snr_local_legacy", "edge_q")
    found = np.full((len(names), len(hits)), np.nan)
    rejected: list[tuple[int, BadMessage]] = []
    for row in np.flatnonzero(hits.data_count > 0).tolist():
        try:
            statistics = _measure(buffer, hits, row, flags.setdefault(row, set()), per_side)
        except BadMessage as problem:
            rejected.append((row, problem))
            continue
        if statistics is not None:
            s = statistics
            found[:, row] = s.power, s.noise, s.noise_std, s.snr, s.snr_legacy, s.edge_q
    return dict(zip(names, found, strict=True)), rejected


def _measure(
    buffer: Buffer, hits: HitColumns, row: int, flags: set[Flag], per_side: int
) -> PathStatistics | None:
    """Path against edges of one hit; notes what is special in `flags`. Raises BadMessage."""
    if Flag.BAD_AXIS in flags:
        raise BadMessage(Flag.BAD_AXIS, "frequencies or times cannot be told")
    power = cut_out(buffer, hits, row)
    if power is None or Flag.NO_SIGNAL in flags:
        return None
    good = np.isfinite(power)
    if not good.all():
        flags.add(Flag.NON_FINITE)
        if good.mean() < 0.9:
            raise BadMessage(Flag.NON_FINITE, f"{1 - good.mean():.0%} of the pixels are not finite")
        power = np.where(good, power, np.float32(0))
    signal, bank = hits.signal[row], hits.filterbank[row]
    first = column_of(float(signal["frequency"]), float(bank["fch1"]), float(bank["foff"]))
    path = first + drift_path(int(signal["driftSteps"]), power.shape[0])
    if path.min() < 0 or path.max() >= power.shape[1]:
        flags.add(Flag.PATH_OUT)
    found = measure(power, path, per_side)
    if found is None:
        flags.add(Flag.NARROW)
    elif found.edge_q > CONTAMINATED:
        flags.add(Flag.EDGES_CONTAMINATED)
    return found


def _select(column: Any, keep: npt.NDArray[np.bool_]) -> Any:
    if isinstance(column, list):
        return [value for value, kept in zip(column, keep.tolist(), strict=True) if kept]
    return column[keep]


def main(job: Job) -> None:
    """Write the table of hits of one observation."""
    settings: Settings = job.settings
    note = json.loads(job.input.note.read_text(encoding="utf-8"))
    table, bad = HITS.empty(), []
    if note["hits"] is not None:
        path = Path(note["hits"])
        values, rejected = hit_table(
            path, job.wildcards.prefix, settings.edge_columns, job.settings.max_message_mb * MIB
        )
        table = HITS.arrow(values)
        bad = [bad_message(path, "hits", found) for found in rejected]
    write(table, HITS, job.output.hits)
    write(distinct(bad), BAD_INPUTS, job.output.bad_inputs)
    log.info("%d hits, %d messages not used", len(table), len(bad))
