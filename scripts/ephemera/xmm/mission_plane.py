"""From the sky coordinates of any mission to the common plane of the search.

The common plane has units of 0.05 arcsec, the reference pixel (25921, 25921), right ascension growing towards
smaller X and a side of 51840 units (43.2 arcmin). Both projections are gnomonic about the same point, so that
coordinates are only moved and scaled. Where a field does not fit around its own reference, the plane is laid
around the middle of its events, through exact sky positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ephemera.sky.tan import Plane
from ephemera.xmm.event_header import Keywords, check_declination
from ephemera.xmm.missions import Mission
from ephemera.xmm.observation import REFERENCE_PIXEL, SKY_SIZE, UNIT_ARCSEC, FloatArray
from ephemera.xmm.outcomes import ListRejected, Outcome

#: Projection that the columns X and Y must be in.
PROJECTIONS = ("RA---TAN", "DEC--TAN")


@dataclass(frozen=True)
class EventsPlane:
    """Where X, Y of a list lie: reference position (deg), its pixel, and degrees per unit with their sign."""

    ra: float
    dec: float
    x: float
    y: float
    step_x: float
    step_y: float


def events_plane(keys: Keywords, mission: Mission) -> EventsPlane:
    """Plane of the columns X, Y: from their WCS keywords, else as the mission declares.

    Raises ListRejected when neither tells it, for another projection, or for a plane that is rotated.
    """
    events = keys.events
    names = {events.text(f"TTYPE{k}").upper(): k for k in range(1, events.size("TFIELDS") + 1)}
    columns = [names[mission.columns[axis]] for axis in ("x", "y")]
    words = ("TCRVL", "TCRPX", "TCDLT")
    x, y = ([events.number(f"{word}{number}") for word in words] for number in columns)
    found = [value for value in (*x, *y) if value is not None]
    if len(found) == 2 * len(words):
        kinds = tuple(events.text(f"TCTYP{number}").upper() for number in columns)
        if kinds != PROJECTIONS:
            raise ListRejected(Outcome.BAD_KEYWORDS, f"TCTYP of X, Y is {kinds}, not {PROJECTIONS}")
        if any(events.number(f"TCROT{number}") for number in columns):
            raise ListRejected(Outcome.BAD_KEYWORDS, "the plane of X, Y is rotated (TCROT)")
        (ra, x0, step_x), (dec, y0, step_y) = found[:3], found[3:]
        check_declination(dec)
        return EventsPlane(ra % 360.0, dec, x0, y0, step_x, step_y)
    plate = mission.plate
    if plate is not None:
        ra_of, dec_of = keys.number(plate.ra), keys.number(plate.dec)
        if ra_of is not None and dec_of is not None:
            check_declination(dec_of)
            step = plate.scale_arcsec / 3600
            return EventsPlane(ra_of % 360.0, dec_of, plate.x, plate.y, -step, step)
    missing = [f"{w}{n}" for n in columns for w in words if events.number(f"{w}{n}") is None]
    raise ListRejected(Outcome.BAD_KEYWORDS, f"missing or unreadable: {', '.join(missing)}")


def in_common_plane(own: EventsPlane, x: FloatArray, y: FloatArray) -> tuple[Plane, FloatArray, FloatArray]:
    """The common plane of a list and its X, Y there, as real numbers; NaN stays NaN."""
    unit = UNIT_ARCSEC / 3600
    new_x = REFERENCE_PIXEL - (x - own.x) * own.step_x / unit
    new_y = REFERENCE_PIXEL + (y - own.y) * own.step_y / unit
    plane = Plane(own.ra, own.dec)
    known = np.isfinite(new_x) & np.isfinite(new_y)
    if not known.any() or (_fits(new_x[known]) and _fits(new_y[known])):
        return plane, new_x, new_y
    middle = [float((axis[known].min() + axis[known].max()) / 2) for axis in (new_x, new_y)]
    ra0, dec0 = (float(value) for value in plane.to_sky(*middle))
    moved = Plane(ra0, dec0)
    moved_x, moved_y = moved.to_plane(*plane.to_sky(new_x, new_y))
    return moved, np.asarray(moved_x), np.asarray(moved_y)


def _fits(values: FloatArray) -> bool:
    """Whether coordinates lie inside the plane."""
    return bool(values.min() >= 1 and values.max() <= SKY_SIZE)
