"""Every stamp of a file: metadata, powers, beams, SNR, antennas, features, verdict.

    for stamp in open_stamps("X.seticore.0000.stamps", recipe="X.bfr5"):
        print(stamp.metadata.sourceName, stamp.antenna_powers().shape)

Reads the messages of one stamps file with the recipes chosen for them, one stamp in memory at a time. Makes
tables with one row a stamp, a stamp and antenna, a stamp and beam, and the messages that were rejected.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ephemera.cosmic.bad_inputs import bad_message, distinct
from ephemera.cosmic.flags import BadMessage, Rejected
from ephemera.cosmic.frames import MAX_MESSAGE
from ephemera.cosmic.index import MIB
from ephemera.cosmic.index_columns import BAD_INPUTS, MESSAGES
from ephemera.cosmic.progress import with_progress
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.stamp import Stamp, open_stamps, read_stamps
from ephemera.cosmic.stamp_columns import ANTENNAS, BEAMS, STAMPS
from ephemera.cosmic.stamp_rows import Choice, Row, describe
from ephemera.tables import TableDeclaration, read, write

if TYPE_CHECKING:
    from ephemera.config.cosmic import Stamps as Settings
    from ephemera.job import Job

__all__ = ["Stamp", "main", "open_stamps", "read_stamps"]

log = logging.getLogger(__name__)

#: Rows that are held as Python objects before they become Arrow.
ROWS_TOGETHER = 4000
#: Stands for the choice of a stamp that the index does not know.
NO_CHOICE = Choice(None, 0, "")


def load_choices(messages: Sequence[Mapping[str, Any]]) -> dict[int, Choice]:
    """Choice of each stamp by position; each recipe is read once, with the calibration that is needed."""
    channels: dict[str, set[int]] = {}
    for row in messages:
        if row["recipe_file"] is not None:
            channels.setdefault(row["recipe_file"], set()).add(row["channel"])
    needed = {name: Recipe(name, mine) for name, mine in channels.items()}
    choices = {}
    for row in messages:
        recipe = needed.get(row["recipe_file"])
        choices[row["position"]] = Choice(
            recipe, row["recipe_score"] or 0, row["recipe_reason"] or "", row["recipe_flags"] or ""
        )
    return choices


def read_chosen(
    path: Path, choices: Mapping[int, Choice], max_message: int = MAX_MESSAGE
) -> Iterator[Stamp | Rejected]:
    """All messages of a file, each stamp with the recipe chosen for it."""
    recipes = {position: choice.recipe for position, choice in choices.items()}
    yield from read_stamps(path, recipes, max_message=max_message)


class _Rows:
    """Rows of a growing table; thousands of them are kept as Arrow, which takes a tenth of the memory."""

    def __init__(self, declaration: TableDeclaration) -> None:
        self.declaration = declaration
        self.rows: list[Row] = []
        self.tables = [declaration.empty()]

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        self.rows += rows
        if len(self.rows) >= ROWS_TOGETHER:
            self.flush()

    def flush(self) -> pa.Table:
        """All rows so far as one table."""
        self.tables.append(self.declaration.arrow(self.rows))
        self.rows = []
        self.tables = [pa.concat_tables(self.tables)]
        return self.tables[0]


def _size_of(found: Stamp | Rejected) -> int:
    return found.size if isinstance(found, Stamp) else 0


def main(job: Job) -> None:
    """Write the tables of one stamps file."""
    settings: Settings = job.settings
    prefix, part = job.wildcards.prefix, job.wildcards.part
    note = json.loads(job.input.note.read_text(encoding="utf-8"))["parts"].get(part)
    messages = [row for row in read(job.input.messages, MESSAGES).to_pylist() if row["part"] == part]
    choices = load_choices(messages)
    stamps, antennas, beams = _Rows(STAMPS), _Rows(ANTENNAS), _Rows(BEAMS)
    verdicts: Counter[str] = Counter()
    bad = []
    path = Path(note["path"]) if note else Path()
    found = read_chosen(path, choices, job.settings.max_message_mb * MIB) if note else ()
    for stamp in with_progress(found, len(messages), _size_of):
        try:
            if isinstance(stamp, Rejected):
                raise stamp.problem
            stamp_id = f"{prefix}:{part}:{stamp.position}"
            rows = describe(stamp, stamp_id, choices.get(stamp.position, NO_CHOICE), settings)
        except BadMessage as problem:
            bad.append(bad_message(path, "stamps", Rejected(stamp.position, stamp.offset, problem)))
            continue
        stamps.add([rows.stamp | {"file": str(path), "part": part}])
        antennas.add(rows.antennas)
        beams.add(rows.beams)
        verdicts[rows.stamp["class"]] += 1
    write(stamps.flush(), STAMPS, job.output.stamps)
    write(antennas.flush(), ANTENNAS, job.output.antennas)
    write(beams.flush(), BEAMS, job.output.beams)
    write(distinct(bad), BAD_INPUTS, job.output.bad_inputs)
    text = ", ".join(f"{number} {name}" for name, number in verdicts.most_common())
    log.info("%d stamps: %s", verdicts.total(), text)
