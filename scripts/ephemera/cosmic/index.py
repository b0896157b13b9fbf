"""What the files of an observation hold: their messages, what is wrong with them, the recipe of each stamp.

Reads the manifest. Makes a table of stamps (place in the file, recipe with score and reason), a table of bad
inputs, and a note with the files by kind and the size of the largest message of each, from which jobs tell
how much memory they need. Of the stamps only frame headers and metadata are read.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.cosmic.bad_inputs import BadInput, bad_file, bad_message, distinct
from ephemera.cosmic.flags import BadMessage, Flag, Rejected, joined
from ephemera.cosmic.frames import index_frames
from ephemera.cosmic.index_columns import BAD_INPUTS, MESSAGES
from ephemera.cosmic.names import SINGLE, Named, parse_name
from ephemera.cosmic.recipe import RecipeHeader, read_header
from ephemera.cosmic.recipe_choice import calibration_channel, choose
from ephemera.cosmic.stamp_messages import MappedFile, read_metadata
from ephemera.files import json_text, write_text
from ephemera.tables import write

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

MIB = 2**20
#: What a recipe problem means for the stamps.
_NO_RECIPE = "made without beams"


@dataclass
class Contents:
    """Files of an observation that can be read, by kind, and what is wrong."""

    hits: Path | None = None
    stamps: dict[str, Path] = field(default_factory=dict)
    recipes: list[RecipeHeader] = field(default_factory=list)
    bad: list[BadInput] = field(default_factory=list)


def sort_files(paths: Sequence[Path]) -> Contents:
    """Files by kind; unfinished, unreadable, empty and double ones become bad inputs."""
    found = Contents()
    for path in paths:
        named = parse_name(path)
        if named is None:
            continue
        if named.kind == "tmp":
            found.bad.append(bad_file(path, "tmp", Flag.TMP_FILE, "an unfinished write"))
        elif not os.access(path, os.R_OK):
            found.bad.append(bad_file(path, named.kind, Flag.UNREADABLE, "cannot be opened"))
        elif named.kind == "recipe":
            _add_recipe(found, path)
        else:
            _add_messages(found, named)
    found.bad += gaps(found.stamps)
    return found


def _add_recipe(found: Contents, path: Path) -> None:
    try:
        found.recipes.append(read_header(path))
    except BadMessage as problem:
        found.bad.append(bad_file(path, "recipe", problem.flag, problem.detail))


def _add_messages(found: Contents, named: Named) -> None:
    if named.path.stat().st_size == 0:
        found.bad.append(bad_file(named.path, named.kind, Flag.EMPTY_FILE, "no messages", "kept"))
    twin = found.stamps.get(named.part) if named.kind == "stamps" else found.hits
    if twin is not None:
        text = f"{twin} has the same name or number"
        found.bad.append(bad_file(named.path, named.kind, Flag.DUPLICATE_FILE, text))
    elif named.kind == "hits":
        found.hits = named.path
    else:
        found.stamps[named.part] = named.path


def gaps(stamps: Mapping[str, Path]) -> Iterator[BadInput]:
    """A remark for each gap in the numbers of stamps files."""
    numbers = sorted(int(part) for part in stamps if part != SINGLE)
    for before, after in zip([-1, *numbers], numbers, strict=False):
        if after - before > 1:
            missing = f"{before + 1:04d}" + (f" to {after - 1:04d}" if after - before > 2 else "")
            yield bad_file(stamps[f"{after:04d}"], "stamps", Flag.PART_GAP, f"{missing} not there", "kept")


def index_stamps(
    prefix: str, part: str, path: Path, recipes: Sequence[RecipeHeader], max_message: int
) -> tuple[list[dict[str, Any]], list[BadInput], int]:
    """Rows of the messages of a stamps file, bad inputs, and the size of its largest message."""
    file = MappedFile(path)
    index = index_frames(file.buffer, max_message)
    rows, bad = [], []
    for frame in index.frames:
        row: dict[str, Any] = dict.fromkeys(MESSAGES.names)
        row |= {"file": str(path), "part": part, "position": frame.position}
        row |= {"offset": frame.offset, "n_bytes": frame.size}
        try:
            metadata = read_metadata(file.buffer, frame)
        except BadMessage as problem:
            bad.append(bad_message(path, "stamps", Rejected(frame.position, frame.offset, problem)))
            if problem.flag is Flag.BAD_FRAME:
                break
            continue
        choice = choose(metadata, prefix, path.parent, recipes)
        row["recipe_file"] = str(choice.path) if choice.path else None
        row |= {"recipe_score": choice.score, "recipe_reason": choice.reason}
        row |= {"recipe_flags": joined(choice.flags), "channel": calibration_channel(metadata)}
        rows.append(row)
    if index.problem is not None:
        end = Rejected(len(index.frames), index.end, index.problem)
        bad.append(bad_message(path, "stamps", end))
    bad += _recipe_remarks(path, rows)
    return rows, bad, max((frame.size for frame in index.frames), default=0)


def _recipe_remarks(path: Path, rows: Sequence[Mapping[str, Any]]) -> Iterator[BadInput]:
    """One row for each way in which stamps of a file have no recipe, or one with a remark."""
    for flag in (Flag.NO_RECIPE, Flag.AMBIGUOUS_RECIPE, Flag.RECIPE_TIME_FAR):
        mine = [row for row in rows if flag in row["recipe_flags"].split()]
        if mine:
            reasons = "; ".join(sorted({row["recipe_reason"] for row in mine}))
            action = "kept" if flag is Flag.RECIPE_TIME_FAR else _NO_RECIPE
            yield bad_file(path, "stamps", flag, f"{len(mine)} stamps: {reasons}", action)


def main(job: Job) -> None:
    """Index the files of one observation."""
    manifest = json.loads(job.input.manifest.read_text(encoding="utf-8"))
    contents = sort_files([Path(entry["path"]) for entry in manifest["files"]])
    max_message = job.settings.max_message_mb * MIB
    rows: list[dict[str, Any]] = []
    parts = {}
    for part, path in sorted(contents.stamps.items()):
        found, bad, largest = index_stamps(job.wildcards.prefix, part, path, contents.recipes, max_message)
        rows += found
        contents.bad += bad
        parts[part] = {"path": str(path), "messages": len(found), "largest": largest}
    hits = contents.hits
    n_hits = 0 if hits is None else len(index_frames(MappedFile(hits).buffer, max_message).frames)
    note = {"hits": None if hits is None else str(hits), "n_hits": n_hits, "parts": parts}
    write_text(job.output.note, json_text(note))
    write(rows, MESSAGES, job.output.messages)
    write(distinct(contents.bad), BAD_INPUTS, job.output.bad_inputs)
    log.info("%d stamps in %d files, %d bad inputs", len(rows), len(parts), len(contents.bad))
