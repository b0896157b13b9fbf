"""What differs between two versions (or two keys of one step): options, code, tables, catalogue rows.

A and B are versions (a number, a pinned name, a project, `current`) or two keys of one step. Rows of tables
over many units are matched by position and time; those that appear, vanish or change are counted and
listed, all of them with --table FILE.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.command import CommandError
from ephemera.files import sha256_of
from ephemera.versions.list import in_order
from ephemera.versions.recipe_difference import ABSENT, Change, RecipeDifference, changes, compare
from ephemera.versions.store import Store, Version, add_store_argument, files_in, open_store
from ephemera.versions.text import aligned, short_commit
from ephemera.words import counted

if TYPE_CHECKING:
    from ephemera.versions.catalogue_difference import TableDifference

#: Columns of a table that are named because their values change.
COLUMNS_SHOWN = 10


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions diff`."""
    parser.add_argument("a", metavar="A", help="version or key")
    parser.add_argument("b", metavar="B", help="version or key to compare with it")
    parser.add_argument("--radius", metavar="ARCSEC", type=float, default=20.0, help="default: 20")
    parser.add_argument("--days", metavar="DAYS", type=float, default=0.01, help="default: 0.01")
    parser.add_argument(
        "--relative", metavar="X", type=float, default=0.0, help="numbers this close are equal (default: 0)"
    )
    parser.add_argument("--rows", metavar="N", type=int, default=20, help="rows shown (default: 20)")
    parser.add_argument(
        "--table", metavar="FILE", help="write all rows as .csv, .fits, .vot, .parquet, .ecsv"
    )
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Print the differences."""
    store = open_store(arguments.results)
    a, b = store.resolve(arguments.a), store.resolve(arguments.b)
    if isinstance(a, Version) and isinstance(b, Version):
        lines = list(version_lines(store, a, b))
        steps = [(step, a.keys[step], key) for step, key in in_order(store, b).items() if step in a.keys]
        names = [(a.folder_name, b.folder_name)]
    elif isinstance(a, str) and isinstance(b, str):
        difference = recipe_difference(store, a, b)
        lines = list(step_lines(difference))
        steps = [(difference.step, a, b)]
        used = [{v.folder_name for v in store.versions if key in v.keys.values()} for key in (a, b)]
        names = [(name, name) for name in sorted(used[0] & used[1])]
    else:
        message = f"{arguments.a} and {arguments.b} are a version and a key: compare two versions or two keys"
        raise CommandError(message)
    sys.stdout.write("\n".join(lines) + "\n")
    differences = list(table_differences(store, steps, names, arguments))
    sys.stdout.write("\n".join(catalogue_lines(differences, arguments.rows)) + "\n")
    if arguments.table:
        _write(differences, Path(arguments.table))
    return 0


def recipe_difference(store: Store, a: str, b: str) -> RecipeDifference:
    """Differences of the recipes of two keys. Raises CommandError when they cannot be compared."""
    before, after = store.recipe(a), store.recipe(b)
    if before is None or after is None:
        message = f"the recipe of {a if before is None else b} is no longer there"
        raise CommandError(message)
    if before["step"] != after["step"]:
        message = f"{a} is a key of {before['step']}, {b} of {after['step']}: compare keys of one step"
        raise CommandError(message)
    return compare(before, after)


def version_lines(store: Store, a: Version, b: Version) -> Iterator[str]:
    """Text of what differs between two versions, short of the tables."""
    for name, version in (("A", a), ("B", b)):
        parts = (version.date, short_commit(version.commit), counted(version.units, "unit"))
        yield f"{name}  version {version.number} of {version.project}, {', '.join(parts)}"
    ran = {step.partition(".")[0] for step in [*a.keys, *b.keys]}
    options = [
        c for c in changes(a.configuration, b.configuration) if "." not in c[0] or _branch(c[0]) in ran
    ]
    yield "configuration" if options else "configuration: the same"
    yield from _arrows(options)
    for step in sorted(a.keys.keys() ^ b.keys.keys()):
        yield f"{step}: only in {'A' if step in a.keys else 'B'}"
    same: list[str] = []
    followers: list[RecipeDifference] = []
    found: list[RecipeDifference] = []
    for step, key in in_order(store, b).items():
        if a.keys.get(step) == key:
            same.append(step)
        elif step in a.keys and (store.recipe(a.keys[step]) is None or store.recipe(key) is None):
            yield f"{step} {a.keys[step]} -> {key}: the recipe is no longer there"
        elif step in a.keys:
            difference = recipe_difference(store, a.keys[step], key)
            (found if difference.is_its_own else followers).append(difference)
    yield from _own_differences(found)
    if followers:
        yield f"new because of what they read: {', '.join(d.step for d in followers)}"
    if same:
        yield f"the same: {', '.join(same)}"


def _branch(option: str) -> str:
    return option.partition(".")[0]


def _own_differences(found: Sequence[RecipeDifference]) -> Iterator[str]:
    """Options and tables of each step, then every module that differs once, with the steps that use it."""
    modules: dict[Change, list[str]] = {}
    for difference in found:
        yield f"{difference.step} {' -> '.join(difference.keys)}"
        yield from _step_block(("option", difference.options), ("table", difference.tables))
        for change in difference.modules:
            modules.setdefault(change, []).append(difference.step.partition(".")[2])
    if modules:
        yield "code"
        # A module that is in A or B only was imported or not; one that differs in both was edited.
        rows = sorted(modules.items(), key=lambda item: (ABSENT in item[0], item[0]))
        yield from aligned([(name, f"{x} -> {y}", "in " + ", ".join(steps)) for (name, x, y), steps in rows])


def step_lines(difference: RecipeDifference) -> Iterator[str]:
    """Text of the differences of two recipes of a step."""
    yield f"{difference.step} {' -> '.join(difference.keys)}"
    yield from _step_block(
        ("option", difference.options),
        ("code", difference.modules),
        ("table", difference.tables),
        ("reads", difference.reads),
    )


def _step_block(*blocks: tuple[str, Sequence[Change]]) -> list[str]:
    return _arrows([(f"{title} {name}", x, y) for title, found in blocks for name, x, y in found])


def _arrows(found: Sequence[Change]) -> list[str]:
    return aligned([(name, f"{before} -> {after}") for name, before, after in found])


def table_differences(
    store: Store,
    steps: Sequence[tuple[str, str, str]],
    names: Sequence[tuple[str, str]],
    arguments: Namespace,
) -> Iterator[TableDifference | str]:
    """Differences of the tables over many units; a line of text where files cannot be compared."""
    for step, key_a, key_b in steps:
        for name_a, name_b in names:
            if (key_a, name_a) == (key_b, name_b):
                continue
            before = project_files(store, key_a, name_a)
            after = project_files(store, key_b, name_b)
            yield from _of_step(step, before, after, arguments)


def project_files(store: Store, key: str, project: str) -> dict[str, Path]:
    """Files over many units of one key: below `<project>/` and named `<project>.*`, by name without it."""
    folder = store.folders.get(key)
    if folder is None:
        return {}
    below = {str(path.relative_to(folder / project)): path for path in files_in(folder / project)}
    beside = {p.name[len(project) + 1 :]: p for p in sorted(folder.glob(f"{project}.*")) if p.is_file()}
    # Another project's name may begin with this one's and a dot; `a.b.c.csv` is then its file, not ours.
    others = {v.folder_name for v in store.versions if v.folder_name.startswith(f"{project}.")}
    own = {name: p for name, p in beside.items() if not any(p.name.startswith(f"{o}.") for o in others)}
    return {name: path for name, path in {**below, **own}.items() if not Path(name).name.startswith(".")}


def _of_step(
    step: str, before: Mapping[str, Path], after: Mapping[str, Path], arguments: Namespace
) -> Iterator[TableDifference | str]:
    from ephemera.versions.catalogue_difference import compare as compare_tables  # pyarrow and scipy: 0.4 s

    other, same = [], 0
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            yield f"{step}: {name} only in {'A' if name in before else 'B'}"
        elif sha256_of(before[name]) == sha256_of(after[name]):
            same += 1
        elif name.endswith(".parquet"):
            yield compare_tables(
                f"{step}/{name.removesuffix('.parquet')}",
                before[name],
                after[name],
                radius_arcsec=arguments.radius,
                tolerance_days=arguments.days,
                relative=arguments.relative,
            )
        else:
            other.append(name)
    if other:
        yield f"{step}: other content in {', '.join(other)}"
    if same:
        yield f"{step}: {counted(same, 'file')} byte by byte the same"


def catalogue_lines(differences: Sequence[TableDifference | str], limit: int) -> Iterator[str]:
    """Text of the differences of tables: counts of all, then the first rows."""
    tables = [d for d in differences if not isinstance(d, str)]
    yield from (text for text in differences if isinstance(text, str))
    if tables:
        yield "tables"
    names = ("appear", "vanish", "change", "stay")
    counted = [
        (
            table.name,
            f"{table.n_a} -> {table.n_b} rows:",
            ", ".join(f"{table.counts[name]} {name}" for name in names if name in table.counts),
            f"by {table.matched_by}",
        )
        for table in tables
    ]
    yield from aligned(counted)
    for table in tables:
        if table.columns:
            often = sorted(table.columns.items(), key=lambda item: (-item[1], item[0]))
            shown = ", ".join(f"{name} ({count})" for name, count in often[:COLUMNS_SHOWN])
            more = f", and {len(often) - COLUMNS_SHOWN} more" if len(often) > COLUMNS_SHOWN else ""
            yield f"columns of {table.name} that change: {shown}{more}"
    rows = [row for table in tables for row in table.rows]
    if rows and limit > 0:
        yield from aligned([("status", "ra", "dec", "time", "row"), *(_shown(row) for row in rows[:limit])])
    if len(rows) > max(limit, 0):
        yield f"  and {len(rows) - max(limit, 0)} more: --rows N shows more, --table FILE writes all"


def _shown(row: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row['ra']:.5f}", f"{row['dec']:+.5f}", f"{row['time']:.5f}")
    text = str(row["changes"] or "")
    what = f"{row['row']}  {text if len(text) < 60 else text[:57] + '...'}".rstrip()
    return (str(row["status"]), *("" if part.strip("+") == "nan" else part for part in numbers), what)


def _write(differences: Sequence[TableDifference | str], path: Path) -> None:
    from ephemera.tables import SUFFIXES, write
    from ephemera.versions.catalogue_difference import DIFFERENCES

    if path.suffix not in SUFFIXES:
        message = f"--table {path}: the name must end in one of {', '.join(SUFFIXES)}"
        raise CommandError(message)
    rows = [row for table in differences if not isinstance(table, str) for row in table.rows]
    write({name: [row[name] for row in rows] for name in DIFFERENCES.names}, DIFFERENCES, path)
    sys.stdout.write(f"{counted(len(rows), 'row')} written to {path}\n")
