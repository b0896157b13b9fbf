"""Packets into canonical tables, a chunk at a time, with an account of every packet and a quarantine."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ephemera.alerts.avro import Failure, Packet
from ephemera.alerts.collect import named_files
from ephemera.alerts.columns import Context, Rows, detections, priors
from ephemera.alerts.mapping import PacketMapping, PriorList, mapping_for
from ephemera.alerts.outcomes import Kind, PacketError, Reason, Stage
from ephemera.alerts.packets import ReadOptions, read_file
from ephemera.alerts.schema import ALERTS, EXTRA, EXTRA_TYPE
from ephemera.alerts.times import NIGHT_OFFSET_D
from ephemera.tables.nested import BYTES, I4, I8, TEXT, nested_schema

log = logging.getLogger(__name__)

#: Rows of a chunk, and bytes of its packets, which stay in memory until it is known that they are good.
CHUNK, CHUNK_BYTES = 10_000, 64_000_000
#: Packets that are smaller are copied into the quarantine.
LARGEST_COPY = 1_000_000
#: Suffix of the name under which a packet that is an object keeps the alerts that are not its newest.
REST = "*"

#: What the account calls priors of each kind.
KIND_NAMES = {Kind.DETECTION: "detections", Kind.LIMIT: "limits", Kind.FORCED: "forced"}
QUARANTINE = nested_schema(
    "quarantine",
    "Packets that were refused.",
    (
        ("file", TEXT, None, "meta.file", "File and member that held it"),
        ("offset", I8, "byte", "meta.file", "Where it starts"),
        ("size", I8, "byte", None, "Its size"),
        ("head", BYTES, None, None, "Its first 64 bytes"),
        ("stage", TEXT, None, "meta.code", "open, codec, schema, decode, map or range"),
        ("reason", TEXT, None, "meta.code.error", "Why, from a closed list"),
        ("detail", TEXT, None, "meta.note", "Why, in words"),
        ("packets", I8, None, "meta.number", "Packets lost"),
        ("packet", BYTES, None, None, "The packet, when smaller than 1 MB"),
    ),
)
CUTOUTS = nested_schema(
    "cutouts",
    "Images that came with alerts.",
    (
        ("alert_key", TEXT, None, "meta.id;meta.main", "Alert"),
        ("cutout", TEXT, None, "meta.code.class", "science, template or difference"),
        ("image", BYTES, None, None, "The file as it came"),
    ),
)
ACCOUNT = nested_schema(
    "account",
    "What became of packets and of the prior entries in them.",
    (
        ("file", TEXT, None, "meta.file", "File"),
        ("survey", TEXT, None, "meta.id", "Survey"),
        ("night", I4, "d", "time.epoch", "Night; null where it is not known"),
        ("of", TEXT, None, "meta.code.class", "packets or priors"),
        ("what", TEXT, None, "meta.code", "What became of them"),
        ("number", I8, None, "meta.number", "How many"),
    ),
)


@dataclass
class Account:
    """Counts by (file, survey, night or None, `packets` or `priors`, what became of them)."""

    counts: Counter[tuple[str, str, int | None, str, str]] = field(default_factory=Counter)
    packets_in: int = 0
    priors_in: int = 0
    warnings: Counter[str] = field(default_factory=Counter)

    def table(self) -> pa.Table:
        """The counts as a table in a fixed order."""
        keys = sorted(self.counts, key=lambda key: tuple("" if part is None else str(part) for part in key))
        rows = [dict(zip(ACCOUNT.names, (*key, self.counts[key]), strict=True)) for key in keys]
        return pa.Table.from_pylist(rows, ACCOUNT)

    def total(self, of: str, what: str) -> int:
        """Sum over files, surveys and nights; `what` may be the start of a name, such as `rejected`."""
        return sum(n for key, n in self.counts.items() if key[3] == of and key[4].startswith(what))


@dataclass(frozen=True)
class SurveyOptions:
    """Options of one survey: times of a simulation are allowed, offset of its nights, unit of its fluxes.

    Where offset or unit are None, they are those that the survey is known to have.
    """

    simulated: bool = False
    night_offset: float | None = None
    flux_unit: float | None = None


class Decoder:
    """Collects packets and gives canonical tables, an account and a quarantine."""

    def __init__(
        self, options: ReadOptions | None = None, surveys: Mapping[str, SurveyOptions] | None = None,
        own: PacketMapping | None = None, *, simulated: bool = False,
    ) -> None:  # fmt: skip
        self.options = options or ReadOptions()
        self.surveys = dict(surveys or {})
        self.simulated, self.own = simulated, own
        self.account = Account()
        self.quarantine: list[dict[str, Any]] = []
        self.cutouts: list[dict[str, Any]] = []

    def tables(self, paths: Iterable[Path]) -> Iterator[pa.Table]:
        """Canonical tables of all packets of files and folders; `batch` is the night of the packet."""
        waiting: dict[tuple[str, str], list[Packet]] = {}
        sizes: Counter[tuple[str, str]] = Counter()
        weights: Counter[tuple[str, str]] = Counter()
        for path, name in named_files(paths):
            for item in read_file(path, name, self.options):
                if isinstance(item, pa.Table):
                    yield self._canonical(item)
                elif isinstance(item, Failure):
                    self.account.packets_in += item.packets
                    self._refuse(item)
                else:
                    self.account.packets_in += 1
                    group = item.family, item.version
                    waiting.setdefault(group, []).append(item)
                    sizes[group] += 1 + _list_entries(item)
                    weights[group] += len(item.raw or b"")
                    if sizes[group] >= CHUNK or weights[group] >= CHUNK_BYTES:
                        yield self._chunk(*group, waiting.pop(group))
                        sizes[group] = weights[group] = 0
        for group in sorted(waiting):
            yield self._chunk(*group, waiting[group])

    def _refuse(self, failure: Failure, survey: str = "unknown") -> None:
        error = failure.error
        raw = failure.raw if failure.raw is not None and len(failure.raw) < LARGEST_COPY else None
        self.quarantine.append(
            {
                "file": failure.file,
                "offset": failure.offset,
                "size": failure.size,
                "head": failure.head,
                "stage": error.stage.value,
                "reason": error.reason.value,
                "detail": error.detail,
                "packets": failure.packets,
                "packet": raw,
            }
        )
        key = (failure.file, survey, None, "packets", f"rejected: {error.reason.value}")
        self.account.counts[key] += failure.packets
        log.warning("%s at %d: %s", failure.file, failure.offset, error)

    def _canonical(self, table: pa.Table) -> pa.Table:
        """A table that is canonical already, such as a simulated survey, counted."""
        columns = (
            table[name].to_pylist() for name in ("source_file", "survey", "batch", "kind", "carrier_key")
        )
        for file, survey, batch, kind, carrier in zip(*columns, strict=True):
            of, what = ("packets", "mapped") if carrier is None else ("priors", KIND_NAMES[Kind(kind)])
            self.account.counts[file or "", survey, batch, of, what] += 1
        packets = table["carrier_key"].null_count
        self.account.packets_in += packets
        self.account.priors_in += len(table) - packets
        return table

    def _context(self, family: str, version: str) -> Context:
        if family == "own":
            assert self.own is not None
            mapping, warning = self.own, None
        else:
            mapping, warning = mapping_for(family, version)
        if warning:
            self.account.warnings[warning] += 1
        options = self.surveys.get(mapping.survey, SurveyOptions())
        offset = options.night_offset
        if offset is None:
            offset = NIGHT_OFFSET_D.get(mapping.survey, 0.0)
        simulated = options.simulated or self.simulated
        return Context(family, mapping, version, simulated, offset, options.flux_unit)

    def _chunk(self, family: str, version: str, packets: list[Packet]) -> pa.Table:
        context = self._context(family, version)
        records = [_flattened(p.record, context.mapping) for p in packets]
        ids, conflicts = _compared_ids(records, context.mapping)
        rows = detections(records, context, {"id": ids} if ids is not None else None)
        for k, detail in conflicts.items():
            rows.refused[k] = (Reason.BAD_ID, detail)
        for k in sorted(rows.refused):
            reason, detail = rows.refused[k]
            self._refuse(
                _failure(packets[k], PacketError(_stage(reason), reason, detail)), context.mapping.survey
            )
        good = rows.good
        own = arrow(rows, good, None, [packets[k].file for k in good], [packets[k].offset for k in good])
        nights = np.asarray(rows.columns["night"])
        for k in good.tolist():
            key = (packets[k].file, context.mapping.survey, int(nights[k]), "packets", "mapped")
            self.account.counts[key] += 1
        if self.options.cutouts:
            keys = rows.columns["alert_key"]
            self.cutouts += [row for k in good.tolist() for row in cutouts_of(records[k], keys[k])]
        tables = [own.append_column("batch", pa.array(nights[good], pa.int32()))]
        if self.options.priors:
            for prior in context.mapping.priors:
                tables += self._priors(prior, packets, records, rows, good, context)
        return pa.concat_tables(tables)

    def _entries(
        self, prior: PriorList, packets: list[Packet], records: Sequence[Mapping[str, Any]], rows: Rows,
        good: Any, context: Context,
    ) -> tuple[list[Mapping[str, Any]], list[int]]:  # fmt: skip
        """Entries of a list of priors, and the packet of each; what is no record is counted as refused."""
        entries, parent = [], []
        path = prior.path + REST * (prior.path == context.mapping.alert_list)
        nights = rows.columns["night"]
        for k in good.tolist():
            some = records[k].get(path)
            if not isinstance(some, Sequence) or isinstance(some, str | bytes):
                continue
            self.account.priors_in += len(some)
            for entry in some:
                if isinstance(entry, Mapping):
                    entries.append(entry)
                    parent.append(k)
                else:
                    what = f"rejected: {Reason.WRONG_TYPE.value}"
                    key = (packets[k].file, context.mapping.survey, int(nights[k]), "priors", what)
                    self.account.counts[key] += 1
        return entries, parent

    def _priors(
        self, prior: PriorList, packets: list[Packet], records: Sequence[Mapping[str, Any]], rows: Rows,
        good: Any, context: Context,
    ) -> list[pa.Table]:  # fmt: skip
        """Rows of one list of priors of the good packets of a chunk."""
        entries, parent = self._entries(prior, packets, records, rows, good, context)
        if not entries:
            return []
        kind = np.full(len(entries), prior.kind, np.int64)
        if prior.without_id is not None:
            (name,) = prior.fields["id"]
            kind[[e.get(name) is None for e in entries]] = prior.without_id
        columns = rows.columns
        inherited = {"object": [columns["object_id"][k] for k in parent]}
        if prior.kind == Kind.FORCED or context.mapping.alert_list is not None:
            inherited |= {
                "ra": [columns["ra"][k] for k in parent],
                "dec": [columns["dec"][k] for k in parent],
            }
        found = priors(entries, prior.fields, kind, context, prior.photometry, inherited)
        nights = columns["night"]
        kinds = np.asarray(found.columns["kind"]).tolist()
        refused = {k: f"rejected: {reason.value}" for k, (reason, _) in found.refused.items()}
        for j, k in enumerate(parent):
            what = refused.get(j) or KIND_NAMES[kinds[j]]
            self.account.counts[packets[k].file, context.mapping.survey, int(nights[k]), "priors", what] += 1
        keep = found.good
        of = [parent[j] for j in keep]
        table = arrow(
            found, keep, [columns["alert_key"][k] for k in of],
            [packets[k].file for k in of], [packets[k].offset for k in of],
        )  # fmt: skip
        return [table.append_column("batch", pa.array([int(nights[k]) for k in of], pa.int32()))]


def _failure(packet: Packet, error: PacketError) -> Failure:
    """A packet that was decoded and is refused, with its bytes; a row of a table is written as JSON."""
    raw = packet.raw
    if raw is None:
        raw = json.dumps(packet.record, default=str, sort_keys=True).encode()
    return Failure(packet.file, packet.offset, len(raw), raw[:64], error, 1, raw)


def cutouts_of(record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Images of a packet: its own key, which of them, and the bytes as they came (FITS, often gzipped)."""
    found = []
    for name in ("cutoutScience", "cutoutTemplate", "cutoutDifference"):
        image = record.get(name)
        content = image.get("stampData") if isinstance(image, Mapping) else image
        if isinstance(content, bytes):
            found.append({"alert_key": key, "cutout": name.removeprefix("cutout").lower(), "image": content})
    return found


def _list_entries(packet: Packet) -> int:
    """Number of entries in the lists of a packet."""
    return sum(len(value) for value in packet.record.values() if isinstance(value, list))


def _stage(reason: Reason) -> Stage:
    return Stage.RANGE if reason in (Reason.BAD_POSITION, Reason.BAD_TIME) else Stage.MAP


def _flattened(record: Mapping[str, Any], mapping: PacketMapping) -> Mapping[str, Any]:
    """A packet that is a list of alerts: its newest becomes the packet's own, the rest priors."""
    if mapping.alert_list is None:
        return record
    entries = [e for e in record.get(mapping.alert_list) or () if isinstance(e, Mapping)]
    times = [next((e[n] for n in ("time", "midpointMjdTai", "midPointTai") if n in e), None) for e in entries]
    known = [k for k, time in enumerate(times) if isinstance(time, int | float) and time == time]
    if not known:
        return {**record, mapping.alert_list: {}, mapping.alert_list + REST: entries}
    newest = max(known, key=lambda k: (times[k], -k))
    rest = entries[:newest] + entries[newest + 1 :]
    return {**record, mapping.alert_list: entries[newest], mapping.alert_list + REST: rest}


def _compared_ids(
    records: Sequence[Mapping[str, Any]], mapping: PacketMapping
) -> tuple[list[Any] | None, dict[int, str]]:
    """Identifiers of packets that carry them twice, and the rows in which the two differ."""
    paths = mapping.fields.get("id", ())
    if len(paths) < 2 or paths[0] != "candid":
        return None, {}
    ids, conflicts = [], {}
    for k, record in enumerate(records):
        inner = record.get("candidate")
        above, below = record.get("candid"), inner.get("candid") if isinstance(inner, Mapping) else None
        if above is not None and below is not None and above != below:
            conflicts[k] = f"candid is {above} in the packet and {below} in its candidate"
        ids.append(below if above is None else above)
    return ids, conflicts


def arrow(
    rows: Rows, keep: Any, carriers: Sequence[str] | None, files: Sequence[str], offsets: Sequence[int]
) -> pa.Table:
    """Canonical table of the rows `keep`; NaN becomes null."""
    columns, n = rows.columns, len(keep)
    everything = n == len(columns["alert_key"])
    indices = keep.tolist()

    def values(column: Any) -> Any:
        if isinstance(column, np.ndarray):
            return column if everything else column[keep]
        return column if everything else [column[k] for k in indices]

    extra = []
    for name in EXTRA:
        column, kind = columns["extra"][name], EXTRA_TYPE.field(name).type
        extra.append(
            pa.nulls(n, kind) if column is None else pa.array(values(column), kind, from_pandas=True)
        )
    given: dict[str, Any] = {
        "extra": pa.StructArray.from_arrays(extra, fields=list(EXTRA_TYPE)),
        "carrier_key": pa.nulls(n, pa.string()) if carriers is None else pa.array(carriers, pa.string()),
        "source_file": pa.array(files, pa.string()),
        "offset": pa.array(offsets, pa.int64()),
    }
    arrays = []
    for column in ALERTS:
        if column.name in given:
            arrays.append(given[column.name])
            continue
        content = columns[column.name]
        if content is None:
            arrays.append(pa.nulls(n, column.type))
            continue
        plain = values(content)
        if isinstance(plain, np.ndarray) and plain.dtype == np.float64 and column.type == pa.float32():
            plain = plain.astype(np.float32)
        target = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        array = pa.array(plain, target, from_pandas=True)
        arrays.append(array.dictionary_encode() if pa.types.is_dictionary(column.type) else array)
    return pa.Table.from_arrays(arrays, schema=ALERTS)
