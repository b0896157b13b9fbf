"""Files of packets read, with what became of the packets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from builders.alerts import write
from ephemera.alerts.decode import account_of, read_packets

if TYPE_CHECKING:
    import pyarrow as pa


def read(path: Path, content: bytes, **options: Any) -> tuple[pa.Table, dict[str, Any]]:
    """Alerts of a file of these bytes, and their account."""
    table = read_packets(write(path, content), **options)
    return table, account_of(table)


def reasons(account: dict[str, Any]) -> dict[str, int]:
    """Why packets were refused, and how many."""
    counts: dict[str, int] = account["packets"]["rejected"]
    return counts
