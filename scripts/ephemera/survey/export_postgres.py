"""Load the tables of a project into PostgreSQL: one schema `survey_<project>`, same names, same columns.

Reads the Parquet tables. The connection string comes from the environment alone. All tables are loaded by
COPY in one transaction, which replaces what an earlier run of the project loaded: others see the old tables
or the new ones, never half. Loading the same tables twice gives the same rows.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.files import json_text, write_text
from ephemera.survey.columns import KEYS, TABLES

if TYPE_CHECKING:
    import psycopg

    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Primary keys and indices, by table.
PRIMARY: Mapping[str, tuple[str, ...]] = {
    name: KEYS[name] for name in ("source", "raw", "outcome", "curve", "detection", "injection", "properties")
}
INDICES: Mapping[str, tuple[str, ...]] = {
    "curve": ("source",),
    "epoch": ("curve_id", "mjd"),
    "detection": ("source", "curve_id", "mjd_peak", "simulated"),
    "injection": ("source", "curve_id"),
    "features": ("curve_id", "simulated"),
}
#: Rows sent to the server at once.
CHUNK = 1 << 16
#: Bytes of a name; PostgreSQL silently cuts longer ones.
LONGEST_NAME = 63


def schema_name(project: str) -> str:
    """`survey_<project>` in letters, digits and '_'. Raises ValueError for a name that is too long."""
    name = "survey_" + re.sub(r"[^a-z0-9_]", "_", project.lower())
    if len(name) > LONGEST_NAME:
        msg = f"the schema {name} would have {len(name)} letters, more than {LONGEST_NAME}: shorten `project`"
        raise ValueError(msg)
    return name


def sql_type(kind: pa.DataType) -> str:
    """PostgreSQL type of an Arrow type. Raises ValueError for one that no table of ours has."""
    types = pa.types
    plain = {
        pa.float64(): "double precision",
        pa.float32(): "real",
        pa.int64(): "bigint",
        pa.int32(): "integer",
        pa.int16(): "smallint",
        pa.int8(): "smallint",
        pa.bool_(): "boolean",
        pa.string(): "text",
    }
    if kind in plain:
        return plain[kind]
    if types.is_map(kind):
        return "jsonb"
    if types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    msg = f"no PostgreSQL type stands for {kind}"
    raise ValueError(msg)


def rows_of(batch: pa.RecordBatch) -> Iterator[list[Any]]:
    """Rows for COPY: maps as JSON text, the rest as Python values."""
    maps = {k for k, field in enumerate(batch.schema) if pa.types.is_map(field.type)}
    columns = [column.to_pylist() for column in batch.columns]
    for values in zip(*columns, strict=True):
        yield [
            json.dumps(dict(value), sort_keys=True) if k in maps and value is not None else value
            for k, value in enumerate(values)
        ]


def files_of(folder: Path, name: str) -> list[Path]:
    """Parquet files of a table."""
    return sorted((folder / "epoch").glob("*.parquet")) if name == "epoch" else [folder / f"{name}.parquet"]


def load_table(cursor: psycopg.Cursor[Any], schema: str, name: str, files: list[Path]) -> int:
    """Make one table, describe its columns, copy its rows, and index it; returns the number of rows."""
    from psycopg import sql

    fields = pq.read_schema(files[0])
    table = sql.Identifier(schema, name)
    columns = [sql.SQL("{} {}").format(sql.Identifier(f.name), sql.SQL(sql_type(f.type))) for f in fields]
    cursor.execute(sql.SQL("CREATE TABLE {} ({})").format(table, sql.SQL(", ").join(columns)))
    for field in fields:
        facts = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        text = facts.get("description", "") + (f" [{facts['unit']}]" if "unit" in facts else "")
        column = sql.Identifier(schema, name, field.name)
        cursor.execute(sql.SQL("COMMENT ON COLUMN {} IS {}").format(column, sql.Literal(text)))
    n = 0
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(table)) as copy:
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=CHUNK):
                    for row in rows_of(batch):
                        copy.write_row(row)
                    n += len(batch)
    if name in PRIMARY:
        key = sql.SQL(", ").join(map(sql.Identifier, PRIMARY[name]))
        cursor.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table, key))
    for column_name in INDICES.get(name, ()):
        cursor.execute(sql.SQL("CREATE INDEX ON {} ({})").format(table, sql.Identifier(column_name)))
    return n


def _check_owner(cursor: psycopg.Cursor[Any], schema: str, project: str) -> None:
    """Raises RuntimeError for a schema that an earlier load of this project did not make."""
    cursor.execute(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = %s", (schema,)
    )
    found = cursor.fetchone()
    if found is not None and not (found[0] or "").startswith(f"project {project}, recipe "):
        msg = (
            f"the schema {schema} is not of project {project}, but says: {found[0] or 'nothing'}; it is left "
            "as it is: rename it, or choose another name for `project`"
        )
        raise RuntimeError(msg)


def load(conninfo: str, folder: Path, project: str, key: str) -> dict[str, int]:
    """Replace the schema of a project by the tables in `folder`; returns rows by table.

    A project loaded before with the same recipe `key` and tables is replaced too, by the same rows. Raises
    RuntimeError for a schema of that name that is not the project's.
    """
    try:
        import psycopg
        from psycopg import sql
    except ModuleNotFoundError as error:
        msg = f"{error.name} is not installed: run make install-extra EXTRA=postgres in the checkout"
        raise RuntimeError(msg) from error

    schema = schema_name(project)
    with psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        # Two loads of one project wait for each other instead of meeting.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (schema,))
        _check_owner(cursor, schema, project)
        cursor.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))
        cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        note = sql.Literal(f"project {project}, recipe {key}")
        cursor.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(sql.Identifier(schema), note))
        return {name: load_table(cursor, schema, name, files_of(folder, name)) for name in (*TABLES, "epoch")}


def main(job: Job) -> None:
    """Load the tables of one project."""
    variable = job.settings.conninfo_env
    conninfo = os.environ.get(variable)
    if not conninfo:
        msg = f"set {variable} in the environment to a connection string, such as postgresql://host/database"
        raise RuntimeError(msg)
    project = job.wildcards.project
    rows = load(conninfo, job.input.tables, project, job.recipe["key"])
    document = {"schema": schema_name(project), "recipe": job.recipe["key"], "rows": rows}
    write_text(job.output.loaded, json_text(document))
    log.info("%s: %s", schema_name(project), rows)
