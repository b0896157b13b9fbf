"""One stream per tag and night: a Parquet file and a file of JSON lines.

Reads the loci of a night with their tags. A locus is in a stream once a night, and again only when it has a
new alert (`once` sends it a single time). Identifiers are text in JSON: many readers would round them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.loci import value_of
from ephemera.alerts.stream_columns import json_lines, stream_table
from ephemera.files import json_text
from ephemera.tables.nested import F4, F8, FLAG, I8, TEXT, nested_schema

if TYPE_CHECKING:
    from ephemera.config.alerts import Stream as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

STREAM = nested_schema(
    "stream",
    "One row per locus and tag of a night.",
    (
        ("locus_id", TEXT, None, "meta.id;meta.main", "Locus"),
        ("aliases", pa.list_(TEXT), None, "meta.id", "Loci that were merged into it tonight"),
        ("tag", TEXT, None, "meta.code", "Tag, also the name of the stream"),
        ("filter", TEXT, None, "meta.id", "Filter that set it"),
        ("filter_version", TEXT, None, "meta.version", "Version of the filter"),
        ("mjd_set", F8, "d", "time.epoch", "Time of the alert at which it was first set"),
        ("ra", F8, "deg", "pos.eq.ra;meta.main", "Right ascension of the mean, ICRS"),
        ("dec", F8, "deg", "pos.eq.dec;meta.main", "Declination of the mean, ICRS"),
        ("n_det", I8, None, "meta.number", "Detections of the locus"),
        ("scatter", F8, "arcsec", "stat.stdev;pos", "Rms of the detections per axis"),
        ("mjd_first", F8, "d", "time.start", "Time of the first detection"),
        ("mjd_last", F8, "d", "time.end", "Time of the last detection"),
        ("alert_key", TEXT, None, "meta.id", "Newest alert"),
        ("alert_id", TEXT, None, "meta.id", "Its identifier, as text"),
        ("survey", TEXT, None, "meta.id", "Its survey"),
        ("object_id", TEXT, None, "meta.id.assoc", "Its object in the survey"),
        ("alert_mjd", F8, "d", "time.epoch", "Its time, UTC"),
        ("band", TEXT, None, "instr.bandpass", "Its band"),
        ("mag", F4, "mag", "phot.mag", "Its magnitude"),
        ("mag_err", F4, "mag", "stat.error;phot.mag", "Error of the magnitude"),
        ("flux", F8, "nJy", "phot.flux", "Its difference flux, signed"),
        ("tags", pa.list_(TEXT), None, "meta.code", "All tags of the locus"),
        ("properties", TEXT, None, "meta.code", "Properties of the locus, as JSON"),
        ("past", FLAG, None, "meta.code.qual", "Set for a locus of an earlier night by a new region"),
    ),
)


def stream_rows(
    loci: pa.Table,
    verdicts: pa.Table,
    alerts: pa.Table,
    aliases: Mapping[str, str],
    *,
    once: bool,
) -> list[dict[str, Any]]:
    """Rows of all streams of a night, by tag and locus: what `stream_table` must equal, written for reading.

    The alert is the one at which the tag was given tonight, else the newest at which filters ran.
    """
    given, newest = _judged(verdicts)
    by_key = {row["alert_key"]: row for row in _alert_rows(alerts, {*given.values(), *newest.values()})}
    old_names: dict[str, list[str]] = {}
    for old, new in aliases.items():
        old_names.setdefault(new, []).append(old)
    rows = []
    for locus in loci.to_pylist():
        name = locus["locus_id"]
        for tag in locus["tags"] or ():
            set_tonight = (name, tag["name"]) in given
            first_time = (
                set_tonight
                and tag["mjd_set"] is not None
                and _is_first(tag, by_key, given[name, tag["name"]])
            )
            if once and not first_time:
                continue
            key = given.get((name, tag["name"])) or newest.get(name)
            rows.append(_row(locus, tag, by_key.get(key or ""), sorted(old_names.get(name, []))))
    rows.sort(key=lambda row: (row["tag"], row["locus_id"]))
    return rows


def _is_first(tag: Mapping[str, Any], by_key: Mapping[str, Any], key: str) -> bool:
    """Whether a tag was given at this alert for the first time."""
    return bool(key in by_key and by_key[key]["mjd_utc"] == tag["mjd_set"])


def _judged(verdicts: pa.Table) -> tuple[dict[tuple[str, str], str], dict[str, str]]:
    """Alert at which each tag was given first tonight, and the last alert at which filters ran, by locus."""
    given: dict[tuple[str, str], str] = {}
    newest: dict[str, str] = {}
    columns = (verdicts[name].to_pylist() for name in ("locus_id", "alert_key", "tags"))
    for name, key, tags in zip(*columns, strict=True):
        newest[name] = key
        for tag in tags or ():
            given.setdefault((name, tag), key)
    return given, newest


def _alert_rows(alerts: pa.Table, keys: set[str]) -> list[dict[str, Any]]:
    columns = [
        "alert_key",
        "alert_id_text",
        "survey",
        "object_id",
        "mjd_utc",
        "band",
        "mag",
        "mag_err",
        "flux",
    ]
    chosen = alerts.select(columns).filter(pc.is_in(alerts["alert_key"], pa.array(sorted(keys), pa.string())))
    return chosen.to_pylist()  # type: ignore[no-any-return]


def _row(
    locus: Mapping[str, Any], tag: Mapping[str, Any], alert: Mapping[str, Any] | None, aliases: list[str]
) -> dict[str, Any]:
    alert = alert or {}
    properties = {name: value_of(value) for name, value in locus["properties"] or ()}
    return {
        **{
            name: locus[name]
            for name in ("locus_id", "ra", "dec", "n_det", "scatter", "mjd_first", "mjd_last")
        },
        "aliases": aliases,
        "tag": tag["name"],
        "filter": tag["filter"],
        "filter_version": tag["version"],
        "mjd_set": tag["mjd_set"],
        "alert_key": alert.get("alert_key"),
        "alert_id": alert.get("alert_id_text"),
        "survey": alert.get("survey"),
        "object_id": alert.get("object_id"),
        "alert_mjd": alert.get("mjd_utc"),
        "band": alert.get("band"),
        "mag": alert.get("mag"),
        "mag_err": alert.get("mag_err"),
        "flux": alert.get("flux"),
        "tags": [t["name"] for t in locus["tags"]],
        "properties": _ENCODER.encode(properties),
        "past": False,
    }


#: Made once: `json.dumps` with options makes an encoder for each call.
_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)
_BEFORE_PROPERTIES = tuple(sorted(name for name in STREAM.names if name < "properties"))
_AFTER_PROPERTIES = tuple(sorted(name for name in STREAM.names if name > "properties"))


def json_line(row: Mapping[str, Any]) -> str:
    """A row as one line of JSON: what `json_lines` must equal, written for reading."""
    start = _ENCODER.encode({name: row[name] for name in _BEFORE_PROPERTIES})
    end = _ENCODER.encode({name: row[name] for name in _AFTER_PROPERTIES})
    return f'{start[:-1]}, "properties": {row["properties"]}, {end[1:]}'


def write_streams(table: pa.Table, folder: Path) -> dict[str, int]:
    """Write a Parquet file and JSON lines for each tag; returns the number of rows of each."""
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    counts = {}
    for tag in sorted(pc.unique(table["tag"]).to_pylist()):
        mine = table.filter(pc.equal(table["tag"], tag)).combine_chunks()
        pq.write_table(mine, folder / f"{tag}.parquet")
        (folder / f"{tag}.jsonl").write_text(json_lines(mine), encoding="utf-8")
        counts[tag] = len(mine)
    return counts


def past_rows(past: pa.Table) -> list[dict[str, Any]]:
    """Rows of loci that a new region of a dynamic list found in the past; they have no new alert."""
    rows = []
    for row in past.to_pylist():
        blank = dict.fromkeys(STREAM.names)
        properties = json.dumps({"watch_dynamic_name": row["region"]})
        rows.append({**blank, "locus_id": row["locus_id"], "aliases": [], "tag": row["tag"],
                     "filter": row["tag"], "tags": [row["tag"]], "properties": properties,
                     "past": True})  # fmt: skip
    return rows


def main(job: Job) -> None:
    """Write the streams of one night, and send them where a broker is configured."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    loci, verdicts = pq.read_table(job.input.loci), pq.read_table(job.input.verdicts)
    alerts, aliases = pq.read_table(job.input.alerts), pq.read_table(job.input.aliases)
    names = dict(zip(aliases["old"].to_pylist(), aliases["new"].to_pylist(), strict=True))
    rows = stream_table(STREAM, loci, verdicts, alerts, names, once=settings.once)
    past = pa.Table.from_pylist(past_rows(pq.read_table(job.input.past)), STREAM)
    counts = write_streams(pa.concat_tables([rows, past]), job.output.streams)
    if settings.kafka_servers:
        from ephemera.alerts.kafka import send_folder

        left = send_folder(
            job.output.streams, settings.kafka_servers, settings.kafka_prefix, settings.kafka_timeout_s
        )
        if left:
            log.warning("%d messages could not be sent and are listed in resend.jsonl", left)
    job.output.counts.write_text(json_text(counts), encoding="utf-8")
