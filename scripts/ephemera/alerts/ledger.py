"""Which nights are closed, and with which alerts: late ones are refused, the same ones again are not."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.alerts.outcomes import LateNightError
from ephemera.alerts.schema import PROVENANCE
from ephemera.files import write_text

if TYPE_CHECKING:
    import pyarrow as pa


def digest_of(alerts: pa.Table) -> str:
    """Digest of a night's alerts, whatever file they came from."""
    import pyarrow as pa

    plain = alerts.drop_columns([*PROVENANCE, "extra"])
    text = "\n".join(
        map(
            str, zip(*(plain[name].cast(pa.string()).to_pylist() for name in plain.column_names), strict=True)
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()


def check_late(ledger: Path, night: int, digest: str, rebuild_from: int | None) -> None:
    """Refuse a night that is older than the newest and not what it was when it was closed.

    Raises LateNightError that names the night and the option that allows it.
    """
    closed = {
        int(path.stem): path.read_text(encoding="utf-8").strip() for path in sorted(ledger.glob("*.digest"))
    }
    newest = max(closed, default=night)
    if night >= newest or closed.get(night) == digest:
        return
    if rebuild_from is not None and rebuild_from <= night:
        for later in closed:
            if later >= night:
                (ledger / f"{later}.digest").unlink()
        return
    what = (
        "has other alerts than when it was closed"
        if night in closed
        else "came after later nights were closed"
    )
    message = (
        f"night {night} {what} (newest is {newest}). Its alerts are late: take the delivery out of the "
        f"sheet, or set alerts.rebuild_from: {night} to make this and all later nights again"
    )
    raise LateNightError(message)


def close_night(ledger: Path, night: int, digest: str) -> None:
    """Note that a night is complete."""
    write_text(ledger / f"{night}.digest", digest + "\n")
