"""The alerts of one night, each once, in canonical order.

Reads what deliveries hold of a night. Makes the night's table, the deliveries of an alert that differ in
value, and the night's account. The result depends on the set of alerts alone: not on the order or number of
files. Canonical order: time, survey, identifier as number, identifier as text.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.outcomes import AccountError, Kind
from ephemera.alerts.schema import ALERTS
from ephemera.files import json_text
from ephemera.tables.nested import TEXT, nested_schema

if TYPE_CHECKING:
    from ephemera.alerts.decoder import Account
    from ephemera.config.alerts import Night as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Values that two deliveries of one alert must share.
COMPARED = ("kind", "ra", "dec", "mjd_utc", "band", "flux", "flux_err", "maglim", "object_id", "ss_id")
CHANGED = nested_schema(
    "changed",
    "Alerts that were delivered again with other values.",
    (
        ("alert_key", TEXT, None, "meta.id;meta.main", "Alert"),
        ("column", TEXT, None, "meta.id", "Column that differs"),
        ("kept", TEXT, None, None, "Value of the delivery that was kept"),
        ("other", TEXT, None, None, "Value of the other delivery"),
        ("kept_file", TEXT, None, "meta.file", "File of the delivery that was kept"),
        ("other_file", TEXT, None, "meta.file", "File of the other delivery"),
    ),
)
#: Forced photometry with these states of its processing is good.
GOOD_PROCSTATUS = ("0",)


@dataclass(frozen=True)
class Deduplicated:
    """Alerts that stay; which rows of the input were dropped; and those that differ from what stayed."""

    alerts: pa.Table
    dropped: BoolArray
    changed: pa.Table


def canonical_order(alerts: pa.Table) -> IntArray:
    """Indices that put alerts in canonical order."""
    keys = {
        "mjd": alerts["mjd_utc"],
        "survey": alerts["survey"].cast(pa.string()),
        "id": alerts["alert_id"],
        "text": alerts["alert_id_text"],
        "key": alerts["alert_key"],
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return np.asarray(order, np.int64)


def deduplicate(alerts: pa.Table, good_procstatus: Iterable[str] = GOOD_PROCSTATUS) -> Deduplicated:
    """Each alert once, in canonical order.

    The packet's own alert is kept before the same alert as a prior, then the first in canonical order.
    Of forced photometry of one object, band and time the newest packet whose processing was good is kept,
    else the oldest.
    """
    if len(alerts) == 0:
        return Deduplicated(alerts, np.zeros(0, bool), CHANGED.empty_table())
    alerts = alerts.combine_chunks()
    order = _preference(alerts, frozenset(good_procstatus))
    codes = np.asarray(pc.dictionary_encode(alerts["alert_key"].combine_chunks()).indices, np.int64)
    _, first = np.unique(codes[order], return_index=True)
    kept = order[first]
    dropped = np.ones(len(alerts), bool)
    dropped[kept] = False
    winner = np.empty(codes.max() + 1, np.int64)
    winner[codes[kept]] = kept
    changed = _changes(alerts, np.flatnonzero(dropped), winner[codes])
    unique = alerts.take(pa.array(kept))
    return Deduplicated(unique.take(pa.array(canonical_order(unique))), dropped, changed)


def _preference(alerts: pa.Table, good: frozenset[str]) -> IntArray:
    """Order in which rows are preferred: own alerts first, then canonical order, then file and offset."""
    forced = alerts["kind"].to_numpy() == Kind.FORCED
    own = alerts["carrier_key"].is_null().to_numpy()
    rank = np.where(own, 0.0, 1.0)
    if forced.any():
        status = pc.struct_field(alerts["extra"], "procstatus").to_pylist()
        is_good = np.array([s is None or s in good for s in status])
        age = _carrier_time(alerts)
        rank = np.where(forced, np.where(is_good, 1e6 - age, 2e6 + age), rank)
    keys = {
        "rank": pa.array(rank),
        "mjd": alerts["mjd_utc"],
        "survey": alerts["survey"].cast(pa.string()),
        "id": alerts["alert_id"],
        "text": alerts["alert_id_text"],
        "carrier": alerts["carrier_key"],
        "file": alerts["source_file"],
        "offset": alerts["offset"],
    }
    order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
    return np.asarray(order, np.int64)


def _carrier_time(alerts: pa.Table) -> npt.NDArray[np.float64]:
    """Time of each row's packet; its own where the packet is not in the table."""
    mjd = alerts["mjd_utc"].to_numpy()
    times = dict(zip(alerts["alert_key"].to_pylist(), mjd.tolist(), strict=True))
    carriers = alerts["carrier_key"].to_pylist()
    return np.array([times.get(c, t) if c else t for c, t in zip(carriers, mjd.tolist(), strict=True)])


def _changes(alerts: pa.Table, dropped: IntArray, winner: IntArray) -> pa.Table:
    """Values in which a second delivery of a packet differs from the first."""
    own = alerts["carrier_key"].is_null().to_numpy()
    rows = dropped[own[dropped] & own[winner[dropped]]]
    if len(rows) == 0:
        return CHANGED.empty_table()
    first, second = alerts.take(pa.array(winner[rows])), alerts.take(pa.array(rows))
    keys, files = second["alert_key"].to_pylist(), (first["source_file"], second["source_file"])
    found = []
    for name in COMPARED:
        kept, other = (part[name].cast(pa.string()).to_pylist() for part in (first, second))
        for k, (a, b) in enumerate(zip(kept, other, strict=True)):
            if a != b:
                found.append((keys[k], name, a, b, files[0][k].as_py(), files[1][k].as_py()))
    found.sort(key=lambda row: tuple(str(part) for part in row))
    return pa.Table.from_pylist([dict(zip(CHANGED.names, row, strict=True)) for row in found], CHANGED)


def fates(alerts: pa.Table, dropped: BoolArray) -> dict[str, BoolArray]:
    """What became of each row: packets kept and twice, priors by kind, and priors known already."""
    own = alerts["carrier_key"].is_null().to_numpy()
    kind = alerts["kind"].to_numpy()
    prior = ~own
    return {
        "out": own & ~dropped,
        "duplicates": own & dropped,
        "new_detections": prior & (kind == Kind.DETECTION) & ~dropped,
        "known_detections": prior & (kind == Kind.DETECTION) & dropped,
        "limits": prior & (kind == Kind.LIMIT),
        "forced": prior & (kind == Kind.FORCED),
    }


def counted(alerts: pa.Table, dropped: BoolArray) -> dict[str, int]:
    """Number of rows of each fate."""
    return {name: int(chosen.sum()) for name, chosen in fates(alerts, dropped).items()}


def close_account(account: Account, alerts: pa.Table, result: Deduplicated) -> dict[str, Any]:
    """Account of all packets and priors read. Raises AccountError when it does not close."""
    found = counted(alerts, result.dropped)
    rejected = {
        of: _by_reason((key[4], n) for key, n in account.counts.items() if key[3] == of)
        for of in ("packets", "priors")
    }
    packets = {"in": account.packets_in, "out": found["out"], "duplicates": found["duplicates"]}
    priors = {
        "in": account.priors_in,
        **{name: found[name] for name in ("new_detections", "known_detections", "limits", "forced")},
    }
    closed = {
        "packets": {**packets, "rejected": rejected["packets"]},
        "priors": {**priors, "rejected": rejected["priors"]},
    }
    check(closed)
    return {**closed, "changed": len(set(result.changed["alert_key"].to_pylist()))}


def _by_reason(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for what, number in counts:
        if what.startswith("rejected: "):
            reasons[what.removeprefix("rejected: ")] += number
    return dict(sorted(reasons.items()))


def check(account: Mapping[str, Any]) -> None:
    """Raise AccountError unless what came in is what went out, plus duplicates, plus rejected."""
    for of in ("packets", "priors"):
        part = account[of]
        rejected = sum(part["rejected"].values())
        out = sum(number for name, number in part.items() if name not in ("in", "rejected"))
        if part["in"] != out + rejected:
            message = f"{of}: {part['in']} came in, but {out} are kept or known and {rejected} rejected"
            raise AccountError(message)


def rows_of(folder: Path, night: int) -> pa.Table:
    """What one delivery holds of a night."""
    import pyarrow.parquet as pq

    parts = sorted(folder.glob(f"{night}.*.parquet"), key=lambda path: int(path.name.split(".")[1]))
    return pa.concat_tables([pq.read_table(path, schema=ALERTS) for path in parts] or [ALERTS.empty_table()])


def by_survey_and_file(alerts: pa.Table, dropped: BoolArray) -> list[dict[str, Any]]:
    """Account of each file and survey of the night."""
    columns = alerts["source_file"].to_pylist(), alerts["survey"].cast(pa.string()).to_pylist()
    pairs = list(zip(*columns, strict=True))
    names = sorted(set(pairs), key=lambda pair: (str(pair[0]), str(pair[1])))
    number = {pair: k for k, pair in enumerate(names)}
    codes = np.array([number[pair] for pair in pairs], np.int64)
    found = {
        name: np.bincount(codes[chosen], minlength=len(names)).tolist()
        for name, chosen in fates(alerts, dropped).items()
    }
    return [
        {"file": file, "survey": survey, **{name: numbers[k] for name, numbers in found.items()}}
        for k, (file, survey) in enumerate(names)
    ]


def main(job: Job) -> None:
    """Write the table, the changed deliveries and the account of one night."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    night = int(job.wildcards.night)
    alerts = pa.concat_tables([rows_of(folder, night) for folder in job.input.deliveries])
    alerts = alerts.unify_dictionaries()
    result = deduplicate(alerts, settings.good_procstatus)
    counts = counted(alerts, result.dropped)
    if sum(counts.values()) != len(alerts):
        message = f"night {night}: {len(alerts)} rows came in, but the pieces add up to another number"
        raise AccountError(message)
    account: dict[str, Any] = {
        "night": night,
        "files": by_survey_and_file(alerts, result.dropped),
        **counts,
        "rows": len(alerts),
        "changed": len(set(result.changed["alert_key"].to_pylist())),
    }
    pq.write_table(result.alerts.unify_dictionaries(), job.output.alerts, compression="zstd")
    pq.write_table(result.changed, job.output.changed)
    job.output.account.write_text(json_text(account), encoding="utf-8")
    log.info("night %d: %d alerts, %d twice", night, account["out"], account["duplicates"])
