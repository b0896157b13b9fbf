"""Names of EPIC files and what they say: observation, camera, exposure, kind of product.

Two families of names exist. The pipeline's: `P`, the ten digits of the observation, two characters of
the instrument, a flag and three digits of the exposure, six characters of the product type, a tail of
four, as in `P0884250101PNS003PIEVLI0000.FTZ` (XMM-Newton Data Files Handbook). And those of `epproc`
and `emproc`: `4011_0884250101_EPN_S003_ImagingEvts.ds`. Any other name says nothing: the headers do,
see `ephemera.xmm.product_headers`.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from ephemera.xmm.observation import INSTRUMENTS, Camera

OBSID_PATTERN = re.compile(r"[0-9]{10}")

#: A pipeline product of the cameras, of the whole of EPIC, or of the observation.
_PIPELINE = re.compile(
    r"P(?P<obsid>[0-9]{10})(?P<instrument>PN|M1|M2|EP|OB)(?P<flag>[SUX])(?P<number>[0-9]{3})"
    r"(?P<type>[A-Z0-9_]{6})(?P<tail>[A-Z0-9]{4})(?P<suffix>\.(?:FTZ|FIT|FITS|FITS\.GZ|FIT\.GZ))",
)
#: A pipeline product of any instrument and any format (pictures, pages, texts too).
_ANY_PIPELINE = re.compile(r"P(?P<obsid>[0-9]{10})[A-Z][A-Z0-9][SUX][0-9]{3}[A-Z0-9_]{6}.*", re.IGNORECASE)
_REPROCESSED = re.compile(
    r"[0-9]{4}_(?P<obsid>[0-9]{10})_(?P<instrument>EPN|EMOS1|EMOS2)_(?P<flag>[SUX])(?P<number>[0-9]{3})"
    r"_(?P<mode>IMAGING|TIMING)EVTS(?P<suffix>\.DS(?:\.GZ)?)",
)
_CAMERA_LETTERS = {"PN": Camera.PN, "M1": Camera.M1, "M2": Camera.M2}
_TIMING_TYPE = "TIEVLI"
#: Folder, beside the note of its source, into which an observation is simulated.
SIMULATED = "simulated"


class Role(enum.Enum):
    """What a file is to the search."""

    EVENT_LIST = "event_list"
    SOURCE_LIST = "source_list"
    FLARE_CURVE = "flare_curve"
    ATTITUDE = "attitude"
    OTHER = "other"


_ROLES = {
    "PIEVLI": Role.EVENT_LIST,
    "MIEVLI": Role.EVENT_LIST,
    _TIMING_TYPE: Role.EVENT_LIST,
    "FBKTSR": Role.FLARE_CURVE,
    "ATTTSR": Role.ATTITUDE,
}


@dataclass(frozen=True)
class ProductName:
    """The parts of a name.

    `instrument` is `PN`, `M1`, `M2`, `EP` (all of EPIC) or `OB` (the observation); `product_type` has six
    characters and `tail` four (empty for reprocessed lists); `pipeline` tells the two families apart.
    """

    obsid: str
    instrument: str
    exposure_id: str
    product_type: str
    tail: str
    suffix: str
    pipeline: bool

    @property
    def camera(self) -> Camera | None:
        """The camera named; the INSTRUME keyword inside the file has the last word."""
        return _CAMERA_LETTERS.get(self.instrument)

    @property
    def timing(self) -> bool:
        """Whether the name is that of a timing mode list, which has no sky image."""
        return self.product_type == _TIMING_TYPE

    @property
    def role(self) -> Role:
        """What the file is to the search; source lists count only when made of all cameras."""
        if self.product_type == "OBSMLI" and self.instrument == "EP":
            return Role.SOURCE_LIST
        role = _ROLES.get(self.product_type, Role.OTHER)
        return Role.OTHER if role is Role.EVENT_LIST and self.camera is None else role


def check_obsid(obsid: str) -> str:
    """Return `obsid` when it is a text of ten digits.

    Raises ValueError otherwise: leading zeros are part of the identifier, so numbers will not do.
    """
    if not isinstance(obsid, str) or OBSID_PATTERN.fullmatch(obsid) is None:
        msg = f"obsid must be a text of ten digits such as '0884250101', got {obsid!r}"
        raise ValueError(msg)
    return obsid


def parse_name(name: str) -> ProductName | None:
    """Parts of the base name of a file, or None when it belongs to neither family.

    Names are compared without regard to case, as copies made on other systems are often lower case.
    """
    upper = name.upper()
    if match := _PIPELINE.fullmatch(upper):
        return ProductName(
            obsid=match["obsid"],
            instrument=match["instrument"],
            exposure_id=match["flag"] + match["number"],
            product_type=match["type"],
            tail=match["tail"],
            suffix=match["suffix"],
            pipeline=True,
        )
    if match := _REPROCESSED.fullmatch(upper):
        camera = INSTRUMENTS[match["instrument"]]
        imaging = "PIEVLI" if camera is Camera.PN else "MIEVLI"
        return ProductName(
            obsid=match["obsid"],
            instrument=camera.name,
            exposure_id=match["flag"] + match["number"],
            product_type=imaging if match["mode"] == "IMAGING" else _TIMING_TYPE,
            tail="",
            suffix=match["suffix"],
            pipeline=False,
        )
    return None


def pipeline_obsid(name: str) -> str | None:
    """Observation of a pipeline product of any instrument and format; None for any other name."""
    match = _ANY_PIPELINE.fullmatch(name)
    return match["obsid"] if match else None
