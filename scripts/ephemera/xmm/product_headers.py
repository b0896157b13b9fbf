"""What a file is, told from its headers: for files that users named, and to check the observation.

The camera is that of INSTRUME, never that of the name: copies get renamed, headers do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ephemera.xmm.fits_structure import Hdu, hdus
from ephemera.xmm.observation import INSTRUMENTS, Camera
from ephemera.xmm.product_names import Role

#: A table with these columns is an event list under any name.
EVENT_COLUMNS = frozenset({"TIME", "X", "Y", "PI"})
_IMAGING = "IMAGING"


@dataclass(frozen=True)
class Identity:
    """What the headers say; a field is None (or empty) where they say nothing.

    `instrument` is the INSTRUME keyword as it stands, `exposure_id` is like `S003`.
    """

    role: Role
    obsid: str | None
    instrument: str | None
    exposure_id: str | None
    timing: bool

    @property
    def camera(self) -> Camera | None:
        """The EPIC camera of INSTRUME."""
        return INSTRUMENTS.get(self.instrument or "")


def observation_of(headers: Iterable[Hdu]) -> str | None:
    """First OBS_ID found; None when no header has one (real flare curves have none)."""
    return next((h.cards["OBS_ID"] for h in headers if h.cards.get("OBS_ID")), None)


def foreign_observation(headers: Iterable[Hdu], obsid: str) -> str | None:
    """First OBS_ID that is not `obsid`, or None."""
    found = (h.cards["OBS_ID"] for h in headers if h.cards.get("OBS_ID"))
    return next((other for other in found if other != obsid), None)


def identify(path: Path) -> Identity:
    """Identify a FITS file by its headers, reading no further than its event or source table.

    Raises DamagedFileError when the file is not FITS up to that table.
    """
    seen: list[Hdu] = []
    role = Role.OTHER
    for hdu in hdus(path):
        seen.append(hdu)
        role = _role(hdu)
        if role is not Role.OTHER:
            break
    return Identity(
        role=role,
        obsid=observation_of(seen),
        instrument=_first(seen, "INSTRUME"),
        exposure_id=_first(seen, "EXPIDSTR"),
        timing=(_first(seen, "DATAMODE") or _IMAGING).upper() != _IMAGING,
    )


def _role(hdu: Hdu) -> Role:
    columns = frozenset(hdu.columns)
    if columns and (hdu.name == "EVENTS" or columns >= EVENT_COLUMNS):
        return Role.EVENT_LIST
    if columns and hdu.name == "SRCLIST":
        return Role.SOURCE_LIST
    if hdu.name == "SN_TO_BKGCUT":
        return Role.FLARE_CURVE
    return Role.OTHER


def _first(headers: Iterable[Hdu], keyword: str) -> str | None:
    return next((h.cards[keyword] for h in headers if h.cards.get(keyword)), None)
