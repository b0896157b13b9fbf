"""Decode packets into the canonical table, a chunk at a time, with an account of every packet.

Reads the files of a delivery. Makes one Parquet file per night of the alerts in it (the priors of a packet
go with it), the account, the quarantine, and a list of nights from which the workflow builds its chain.
Memory does not grow with the number of packets: chunks of 10,000 rows go to the night's file as they come.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ephemera.alerts.codec import require_codecs
from ephemera.alerts.columns import AB_ZERO_NJY
from ephemera.alerts.decoder import CUTOUTS, QUARANTINE, Decoder, SurveyOptions
from ephemera.alerts.mapping import PacketMapping, Photometry
from ephemera.alerts.night import close_account, deduplicate
from ephemera.alerts.packets import ReadOptions
from ephemera.alerts.schema import ALERTS, fact, with_facts
from ephemera.files import json_text

if TYPE_CHECKING:
    from ephemera.config.alerts import Decode as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Nights whose files are open at the same time.
OPEN_NIGHTS = 64


def read_packets(
    path: str | Path | Sequence[str | Path], *, priors: bool = True, simulated: bool = False,
    schemas: str | Path | None = None,
) -> pa.Table:  # fmt: skip
    """Alerts of files and folders as one canonical table without duplicates, in canonical order.

    Alerts of packets have a null `carrier_key`; the measurements that packets repeat (`priors`) have that
    of their packet. `account_of` gives what became of each packet. `simulated` allows any time, `schemas`
    is a folder of schemas by number for single-object messages. Raises AccountError when packets in are
    not alerts out plus duplicates plus rejected.
    """
    require_codecs()
    paths = [Path(p) for p in ([path] if isinstance(path, str | Path) else path)]
    decoder = Decoder(
        ReadOptions(priors=priors, schemas=Path(schemas) if schemas else None), simulated=simulated
    )
    tables = list(decoder.tables(paths))
    alerts = pa.concat_tables([t.drop_columns("batch") for t in tables]) if tables else ALERTS.empty_table()
    result = deduplicate(alerts)
    account = close_account(decoder.account, alerts, result)
    quarantine = [{k: v for k, v in row.items() if k not in ("head", "packet")} for row in decoder.quarantine]
    facts = {"account": account, "quarantine": quarantine, "warnings": dict(decoder.account.warnings)}
    return with_facts(result.alerts, **facts)


def account_of(table: pa.Table) -> dict[str, Any]:
    """What became of the packets of `read_packets`: counts of packets and priors, quarantine, warnings."""
    return {
        **(fact(table, "account") or {}),
        "quarantine": fact(table, "quarantine"),
        "warnings": fact(table, "warnings"),
    }


class _NightFiles:
    """One Parquet file per night and part, written as chunks come; a limited number is open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parts: Counter[int] = Counter()
        self.open: dict[int, Any] = {}

    def write(self, night: int, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        if night not in self.open:
            if len(self.open) >= OPEN_NIGHTS:
                self.open.pop(next(iter(self.open))).close()
            path = self.folder / f"{night}.{self.parts[night]}.parquet"
            self.parts[night] += 1
            self.open[night] = pq.ParquetWriter(path, ALERTS, compression="zstd")
        self.open[night].write_table(table.cast(ALERTS))

    def close(self) -> None:
        for writer in self.open.values():
            writer.close()


def write_nights(tables: Iterable[pa.Table], folder: Path) -> dict[int, int]:
    """Write tables with a column `batch` into a file per night; returns the rows of each night."""
    rows: Counter[int] = Counter()
    files = _NightFiles(folder)
    try:
        for table in tables:
            batches = table["batch"].to_numpy()
            for night in np.unique(batches).tolist():
                chosen = table.filter(pa.array(batches == night)).drop_columns("batch")
                files.write(night, chosen)
                rows[night] += len(chosen)
    finally:
        files.close()
    return dict(sorted(rows.items()))


def keeping_cutouts(decoder: Decoder, tables: Iterable[pa.Table], folder: Path) -> Iterator[pa.Table]:
    """The tables as they come, having written the cutouts of each to a file of its own in `folder`."""
    import pyarrow.parquet as pq

    for number, table in enumerate(tables):
        if decoder.cutouts:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.Table.from_pylist(decoder.cutouts, CUTOUTS), folder / f"{number}.parquet")
            decoder.cutouts.clear()
        yield table


def own_mapping(settings: Settings) -> PacketMapping | None:
    """Mapping of a user's own table of columns, if the configuration has one."""
    fields = {name: (column,) for name, column in vars(settings.own_columns).items()}
    if not fields:
        return None
    form = Photometry("magnitude" if "mag" in fields else "flux", settings.own_flux_njy)
    return PacketMapping(
        settings.own_survey, "0", "99", fields, form, settings.own_time, 0, {}, settings.own_survey
    )


def survey_options(settings: Settings) -> dict[str, SurveyOptions]:
    """Options of the surveys as the configuration gives them."""
    units = {"elasticc": 10 ** ((AB_ZERO_NJY - settings.elasticc_zero_point) / 2.5)}
    offsets = vars(settings.night_offset_d)
    return {
        name: SurveyOptions(name in settings.simulated, offsets.get(name), units.get(name))
        for name in sorted({*offsets, *settings.simulated, *units})
    }


def main(job: Job) -> None:
    """Write nights, account, quarantine and list of nights of one delivery."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    require_codecs()
    manifest = json.loads(job.input.manifest.read_text(encoding="utf-8"))
    own = own_mapping(settings)
    options = ReadOptions(
        priors=settings.priors == "read",
        cutouts=settings.keep_cutouts,
        schemas=Path(settings.schemas) if settings.schemas else None,
        own=own is not None,
    )
    decoder = Decoder(options, survey_options(settings), own)
    paths = [Path(entry["path"]) for entry in manifest["files"]]
    job.output.nights.mkdir(parents=True)
    tables = keeping_cutouts(decoder, decoder.tables(paths), job.output.nights / "cutouts")
    rows = write_nights(tables, job.output.nights)
    pq.write_table(decoder.account.table(), job.output.account)
    ordered = sorted(decoder.quarantine, key=lambda row: (row["file"], row["offset"]))
    pq.write_table(pa.Table.from_pylist(ordered, QUARANTINE), job.output.quarantine)
    summary = {
        "packets_in": decoder.account.packets_in,
        "priors_in": decoder.account.priors_in,
        "nights": [{"night": night, "rows": number} for night, number in rows.items()],
        "warnings": dict(sorted(decoder.account.warnings.items())),
    }
    job.output.list.write_text(json_text(summary), encoding="utf-8")
    log.info("%d nights, %d packets refused", len(rows), decoder.account.total("packets", "rejected"))
