"""The tables of a project in DuckDB: views over the Parquet files, nothing to load and nothing to keep.

    from ephemera.survey.database import connect
    with connect("results/current/survey/tables/MYPROJECT") as db:
        db.sql("SELECT * FROM detection ORDER BY abs(snr) DESC LIMIT 10").df()

The views `detection` and `features` hide simulated rows; `detection_all` and `features_all` show them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.survey.columns import MIXED, TABLES

if TYPE_CHECKING:
    import duckdb


def views(folder: str = ".") -> str:
    """SQL that makes a view of each table in `folder` (as DuckDB sees it)."""
    plain = [name for name in TABLES if name not in MIXED]
    files = {name: f"{name}.parquet" for name in (*plain, *MIXED)} | {"epoch": "epoch/*.parquet"}
    lines = []
    for name, file in files.items():
        path = f"{folder}/{file}".replace("'", "''")
        view = f"{name}_all" if name in MIXED else name
        lines.append(f"CREATE OR REPLACE VIEW {view} AS FROM read_parquet('{path}');")
        if name in MIXED:
            lines.append(f"CREATE OR REPLACE VIEW {name} AS FROM {view} WHERE NOT simulated;")
    return "\n".join(lines) + "\n"


def connect(folder: str | os.PathLike[str]) -> duckdb.DuckDBPyConnection:
    """A DuckDB in memory with the views of the tables in `folder`.

    Raises FileNotFoundError for a folder without such tables.
    """
    import duckdb

    path = Path(folder)
    if not (path / "source.parquet").is_file():
        msg = f"{path} holds no tables of a survey project"
        raise FileNotFoundError(msg)
    connection = duckdb.connect()
    connection.execute(views(str(path)))
    return connection
