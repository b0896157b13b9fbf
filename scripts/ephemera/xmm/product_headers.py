"""What a file is, told from its headers: for files that users named, and to check the observation.

The camera is that of INSTRUME, never that of the name: copies get renamed, headers do not.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ephemera.xmm.fits_stream import Hdu, Header, open_fits
from ephemera.xmm.observation import INSTRUMENTS, Camera
from ephemera.xmm.product_names import Role

#: A table with these columns is an event list under any name.
EVENT_COLUMNS = frozenset({"TIME", "X", "Y", "PI"})
_IMAGING = "IMAGING"


@dataclass(frozen=True)
class Identity:
    """What the headers say; a text is empty where they say nothing.

    `instrument` is the INSTRUME keyword as it stands, `exposure_id` is like `S003`.
    """

    role: Role
    obsid: str
    instrument: str
    exposure_id: str
    timing: bool

    @property
    def camera(self) -> Camera | None:
        """The EPIC camera of INSTRUME."""
        return INSTRUMENTS.get(self.instrument)


def check_whole(path: Path) -> list[Header]:
    """All headers of a FITS file, having read it to its last byte and, if gzipped, to its checksum.

    Raises FitsError, with HDU and byte, when the file is not FITS or not whole.
    """
    with open_fits(path) as stream:
        return [hdu.header for hdu in stream]


def observations_of(headers: Iterable[Header]) -> list[str]:
    """Every OBS_ID in the headers, in order; empty when none has one, as in real flare curves."""
    return [obsid for header in headers if (obsid := header.text("OBS_ID"))]


def identify(path: Path) -> Identity:
    """Identify a FITS file by its headers, reading no further than its event or source table.

    Raises FitsError when the file is not FITS up to that table.
    """
    seen: list[Header] = []
    role = Role.OTHER
    with open_fits(path) as stream:
        for hdu in stream:
            seen.append(hdu.header)
            role = _role(hdu)
            if role is not Role.OTHER:
                break
    return Identity(
        role=role,
        obsid=_first(seen, "OBS_ID"),
        instrument=_first(seen, "INSTRUME").upper(),
        exposure_id=_first(seen, "EXPIDSTR").upper(),
        timing=_first(seen, "DATAMODE").upper() not in ("", _IMAGING),
    )


def _role(hdu: Hdu) -> Role:
    name = hdu.header.name
    if hdu.is_table and (name == "EVENTS" or hdu.column_names() >= EVENT_COLUMNS):
        return Role.EVENT_LIST
    if hdu.is_table and name == "SRCLIST":
        return Role.SOURCE_LIST
    if name == "SN_TO_BKGCUT":
        return Role.FLARE_CURVE
    return Role.OTHER


def _first(headers: Iterable[Header], keyword: str) -> str:
    return next((text for header in headers if (text := header.text(keyword))), "")
