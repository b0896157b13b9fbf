"""What an observation is made of: cameras, event lists, subsets, runs.

These frozen dataclasses are what the steps of the XMM branch hand to each other. Arrays in them are
never changed in place.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ephemera.sky.sphere import separation_arcsec
from ephemera.sky.tan import REFERENCE_PIXEL as TAN_REFERENCE_PIXEL
from ephemera.sky.tan import Plane
from ephemera.sky.times import SECONDS_PER_DAY

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Time = TypeVar("Time", float, FloatArray)

#: Name of the mission whose lists need no entry in the table of missions.
XMM = "xmm"
#: Reference pixel of the sky coordinates X, Y (FITS convention, first pixel is 1).
REFERENCE_PIXEL = TAN_REFERENCE_PIXEL
#: Largest value of X and Y; the smallest is 1.
SKY_SIZE = 51840
#: Size of one unit of X or Y, in arcsec.
UNIT_ARCSEC = 0.05


class Camera(enum.IntEnum):
    """The cameras; the value is the code stored with each event.

    PN, M1 and M2 are those of EPIC. C1 to C4 are those of another mission, in the order in which the table
    of missions names its instruments.
    """

    PN = 0
    M1 = 1
    M2 = 2
    C1 = 3
    C2 = 4
    C3 = 5
    C4 = 6


#: The cameras of XMM-Newton, and places for those of any other mission.
EPIC = (Camera.PN, Camera.M1, Camera.M2)
OTHER_CAMERAS = (Camera.C1, Camera.C2, Camera.C3, Camera.C4)

#: INSTRUME keyword of each camera.
INSTRUMENTS: Mapping[str, Camera] = {"EPN": Camera.PN, "EMOS1": Camera.M1, "EMOS2": Camera.M2}
INSTRUME: Mapping[Camera, str] = {camera: name for name, camera in INSTRUMENTS.items()}


@dataclass(frozen=True)
class Events:
    """Photons as parallel arrays of one length, sorted by time (stable).

    Units: `time` s (TT, since MJDREF); `x`, `y` 0.05 arcsec sky units 1..51840; `pi` eV;
    `detx`, `dety` detector units as in the file; `rawx`, `rawy` raw pixels; `camera` a `Camera`.
    """

    time: npt.NDArray[np.float64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    pi: npt.NDArray[np.uint16]
    ccd: npt.NDArray[np.uint8]
    rawx: npt.NDArray[np.uint16]
    rawy: npt.NDArray[np.uint16]
    detx: npt.NDArray[np.int16]
    dety: npt.NDArray[np.int16]
    camera: npt.NDArray[np.uint8]

    COLUMNS = ("time", "x", "y", "pi", "ccd", "rawx", "rawy", "detx", "dety", "camera")

    def __len__(self) -> int:
        return len(self.time)

    def take(self, index: npt.NDArray[np.integer] | npt.NDArray[np.bool_] | slice) -> Events:
        """Events at `index` (an index array, a boolean mask or a slice), in that order."""
        return Events(*(getattr(self, name)[index] for name in self.COLUMNS))

    @classmethod
    def empty(cls) -> Events:
        """No events, with the declared dtypes."""
        return cls(
            time=np.empty(0, "f8"), x=np.empty(0, "u2"), y=np.empty(0, "u2"), pi=np.empty(0, "u2"),
            ccd=np.empty(0, "u1"), rawx=np.empty(0, "u2"), rawy=np.empty(0, "u2"),
            detx=np.empty(0, "i2"), dety=np.empty(0, "i2"), camera=np.empty(0, "u1"),
        )  # fmt: skip

    @classmethod
    def merge(cls, parts: list[Events]) -> Events:
        """All events of `parts`, sorted by time; ties keep the order of `parts`."""
        if not parts:
            return cls.empty()
        joined = cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.COLUMNS))
        return joined.take(np.argsort(joined.time, kind="stable"))


@dataclass(frozen=True)
class Telescope:
    """What the search needs to know of the telescope and camera of a list that is not of XMM-Newton.

    `mission` is its name in the table of missions, `instrument` what INSTRUME says; `size_arcsec` is the
    width of a cube pixel. A point source has a width (sigma per axis) of `psf_sigma_arcsec` on axis and
    `psf_growth` arcsec more for each squared arcmin off axis; a position has `systematic_arcsec` of pointing
    error per axis, and events beyond `clip_arcsec` do not count for it. Time is bad where the rate of a
    camera from `flare_low_ev` to `flare_high_ev` is above `flare_ct_s`; never when that is 0.
    """

    mission: str
    instrument: str
    size_arcsec: float
    psf_sigma_arcsec: float
    psf_growth: float
    systematic_arcsec: float
    clip_arcsec: float
    flare_low_ev: int = 0
    flare_high_ev: int = 0
    flare_ct_s: float = 0.0

    def psf_sigma(self, off_axis_arcmin: npt.ArrayLike) -> FloatArray:
        """Width of a point source at angles (arcmin) from the axis, arcsec per axis."""
        return np.asarray(self.psf_sigma_arcsec + self.psf_growth * np.square(off_axis_arcmin))


@dataclass(frozen=True)
class ListHeader:
    """What the keywords of one event list say; all lists of a subset keep theirs.

    `good_time` maps CCDNR to the (k, 2) array of [start, stop] in s that the data subspace keywords
    name for this CCD (flare-cut GTIs where there was a cut); only kept CCDs; empty when the file has
    no GTI at all. `start`, `stop` are the interval of the list (first START, last STOP).
    """

    file: str
    camera: Camera
    obsid: str
    exposure_id: str
    submode: str
    filter: str
    revolution: int
    ontime: float
    start: float
    stop: float
    mjdref: float
    timezero: float
    frame_time: float
    reference_ra: float
    reference_dec: float
    pa_pnt: float | None
    object_name: str
    date_obs: str
    good_time: Mapping[int, FloatArray] = field(default_factory=dict)
    kept_ccds: tuple[int, ...] = ()
    #: None for XMM-Newton.
    telescope: Telescope | None = None

    @property
    def camera_name(self) -> str:
        """Name of the camera: PN, M1 or M2, or what INSTRUME says for another mission."""
        return self.camera.name if self.telescope is None else self.telescope.instrument

    @property
    def mission(self) -> str:
        """Mission, as sample sheets name it."""
        return XMM if self.telescope is None else self.telescope.mission

    def mjd(self, time: Time) -> Time:
        """Dates (MJD, TT) of times of the list, s: MJDREF + (TIMEZERO + time) / 86400."""
        return self.mjdref + (self.timezero + time) / SECONDS_PER_DAY

    @property
    def has_good_time(self) -> bool:
        """Whether the file carries good time intervals."""
        return bool(self.good_time)

    @property
    def plane(self) -> Plane:
        """Tangent plane of the sky coordinates X, Y."""
        return Plane(self.reference_ra, self.reference_dec)

    def off_axis_arcmin(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> FloatArray:
        """Angles of positions (degrees) from the reference position, arcmin."""
        return separation_arcsec(ra, dec, self.reference_ra, self.reference_dec) / 60


@dataclass(frozen=True)
class EventList:
    """One list after selection: its header and the events kept, sorted by time."""

    header: ListHeader
    events: Events


@dataclass(frozen=True)
class Subset:
    """Simultaneous lists, at most one per camera, that are searched together.

    [`t0`, `t1`] is the span searched, in s since MJDREF; `events` holds only events inside it. `headers`
    are put in order of the camera's code.
    """

    number: int
    t0: float
    t1: float
    headers: tuple[ListHeader, ...]
    events: Events

    def __post_init__(self) -> None:
        in_order = tuple(sorted(self.headers, key=lambda header: header.camera))
        object.__setattr__(self, "headers", in_order)

    @property
    def span(self) -> float:
        """Length of the span, s."""
        return self.t1 - self.t0

    @property
    def span_mjd(self) -> tuple[float, float]:
        """First and last moment of the span, MJD (TT)."""
        return self.header.mjd(self.t0), self.header.mjd(self.t1)

    @property
    def header(self) -> ListHeader:
        """Header of the first camera; its clock and its tangent plane are those of all."""
        return self.headers[0]

    @property
    def mission(self) -> str:
        """Mission that observed it."""
        return self.header.mission

    @property
    def camera_names(self) -> tuple[str, ...]:
        """Names of the cameras present."""
        return tuple(header.camera_name for header in self.headers)

    @property
    def in_words(self) -> dict[str, str]:
        """Columns cameras, submode and filter of tables: those of all lists."""
        return {
            "cameras": " ".join(self.camera_names),
            "submode": " ".join(header.submode for header in self.headers),
            "filter": " ".join(header.filter for header in self.headers),
        }

    def pixel_arcsec(self, of_xmm: float) -> float:
        """Width of a cube pixel: that of the mission, `of_xmm` for XMM-Newton."""
        telescope = self.header.telescope
        return of_xmm if telescope is None else telescope.size_arcsec

    @cached_property
    def cameras(self) -> tuple[Camera, ...]:
        """Cameras present."""
        return tuple(header.camera for header in self.headers)


@dataclass(frozen=True)
class Band:
    """An energy band [low, high) in eV; closed at the top when `high` is the top edge of 12000 eV."""

    low: int
    high: int

    @classmethod
    def from_kev(cls, low: float, high: float) -> Band:
        """Band from its edges in keV, rounded to the eV."""
        return cls(round(1000 * low), round(1000 * high))

    @property
    def kev(self) -> tuple[float, float]:
        """Edges in keV."""
        return self.low / 1000, self.high / 1000

    def contains(self, pi: npt.NDArray[np.uint16]) -> BoolArray:
        """Which channel energies (eV) lie in the band."""
        top = self.high + 1 if self.high == TOP_EDGE_EV else self.high
        return np.asarray((pi >= self.low) & (pi < top))


#: Upper edge of the selected energies, eV; a band that ends here includes it.
TOP_EDGE_EV = 12000


def run_id(obsid: str, subset: int, dt: float, band: Band) -> str:
    """Name of one run, such as `0724210501_0_5_2.0_12.0`: obsid, subset, dt in s, band in keV."""
    low, high = band.kev
    return f"{obsid}_{subset}_{seconds_text(dt)}_{low}_{high}"


def seconds_text(seconds: float) -> str:
    """A length of time in names: the shortest text that reads back to the same number, as `5` or `0.5`."""
    return repr(float(seconds)).removesuffix(".0")
