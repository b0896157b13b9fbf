"""Match positions with a catalogue, and shift them to where matches are chance.

Positions are matched as unit vectors, so right ascension wraps and the poles are places like any other.
What has no match is null, never a number that looks like one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ephemera.sky.motion import DAYS_PER_JULIAN_YEAR, moved
from ephemera.sky.sphere import angle_arcsec, chord, unit_vectors

if TYPE_CHECKING:
    import pyarrow as pa

FloatArray = npt.NDArray[np.float64]

#: Shifts (arcmin) and number of directions of the positions whose matches are chance.
CHANCE_SHIFTS_ARCMIN = (1.0, 2.0, 3.0, 4.0, 5.0)
CHANCE_DIRECTIONS = 8


@dataclass(frozen=True)
class Catalogue:
    """Sources to match with: `name` of the set, `id`, `ra`, `dec` (degrees, ICRS), and what else it has.

    `extra` are columns handed on with each match. With `pm_ra` (times cos dec) and `pm_dec` (mas/yr) and
    `epoch` (MJD) positions move to the epoch of each detection that has one.
    """

    name: str
    id: npt.NDArray[Any]
    ra: FloatArray
    dec: FloatArray
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    pm_ra: FloatArray | None = None
    pm_dec: FloatArray | None = None
    epoch: float | None = None

    def __post_init__(self) -> None:
        columns = {"id": self.id, "ra": self.ra, "dec": self.dec, **self.extra}
        lengths = {name: len(values) for name, values in columns.items()}
        if len(set(lengths.values())) > 1:
            message = f"columns of catalogue {self.name} must have one length, got {lengths}"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self.ra)

    def at(self, row: npt.NDArray[np.int64], mjd: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Positions (degrees) of the sources `row` at the epochs `mjd`, NaN meaning the catalogue's own."""
        ra, dec = self.ra[row].astype(np.float64), self.dec[row].astype(np.float64)
        if self.pm_ra is None or self.pm_dec is None or self.epoch is None:
            return ra, dec
        years = (mjd - self.epoch) / DAYS_PER_JULIAN_YEAR
        return moved(ra, dec, self.pm_ra[row], self.pm_dec[row], years)


def crossmatch(
    table: Any,
    catalogue: Catalogue,
    radius_arcsec: float,
    *,
    all_within: bool = False,
    epoch: str | None = None,
) -> pa.Table:
    """Matches of the rows of `table` (anything with columns ra and dec, in degrees) with a catalogue.

    One row for each row of `table`, with the nearest source within the radius, or nulls; with `all_within`
    one row for each pair, and the column `row` says which row of `table` it belongs to. Columns:
    `<name>_id`, `_ra`, `_dec` (degrees), `_sep_arcsec`, `_ra_offset` (times cos dec), `_dec_offset` (arcsec,
    detection minus catalogue), `_n_within`, and one for each extra column. `epoch` names a column of
    `table` with the MJD to which proper motions are applied. Raises ValueError for a radius that is not
    between 0 and 180 degrees.
    """
    if not 0 < radius_arcsec < 180 * 3600:
        message = f"radius_arcsec must lie between 0 and 180 degrees, got {radius_arcsec!r}"
        raise ValueError(message)
    ra, dec = _column(table, "ra"), _column(table, "dec")
    mjd = _column(table, epoch) if epoch is not None else np.full(len(ra), np.nan)
    here, there, separation = _pairs(ra, dec, mjd, catalogue, radius_arcsec)
    n_within = np.bincount(here, minlength=len(ra))
    if not all_within:
        order = np.lexsort((there, separation, here))
        nearest = order[np.flatnonzero(np.diff(here[order], prepend=-1))]
        here, there, separation = here[nearest], there[nearest], separation[nearest]
        place = np.full(len(ra), -1)
        place[here] = np.arange(len(here))
        matched = np.where(place >= 0, there[place] if len(there) else -1, -1)
        separation = np.where(place >= 0, separation[place] if len(separation) else np.nan, np.nan)
        return matches_table(np.arange(len(ra)), matched, separation, n_within, (ra, dec, mjd), catalogue)
    order = np.lexsort((there, separation, here))
    here, there, separation = here[order], there[order], separation[order]
    return matches_table(here, there, separation, n_within, (ra, dec, mjd), catalogue, with_row=True)


def _column(table: Any, name: str) -> FloatArray:
    values = table[name]
    return np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values, np.float64)


def _pairs(
    ra: FloatArray, dec: FloatArray, mjd: FloatArray, catalogue: Catalogue, radius_arcsec: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], FloatArray]:
    """Rows of detections and sources closer than the radius, and their separations in arcsec."""
    good = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    known = np.flatnonzero(np.isfinite(catalogue.ra) & np.isfinite(catalogue.dec))
    if len(good) == 0 or len(known) == 0:
        nothing = np.empty(0, np.int64)
        return nothing, nothing, np.empty(0)
    reach = radius_arcsec + _largest_motion(catalogue, mjd)
    points, sources = (
        unit_vectors(ra[good], dec[good]),
        unit_vectors(catalogue.ra[known], catalogue.dec[known]),
    )
    lists: Any = cKDTree(sources).query_ball_point(points, chord(reach) * (1 + 1e-9))
    number = np.array([len(each) for each in lists])
    here = np.repeat(good, number)
    there = known[np.concatenate([np.asarray(each, np.int64) for each in lists]).astype(np.int64)]
    moved = unit_vectors(*catalogue.at(there, mjd[here]))
    separation = angle_arcsec(np.linalg.norm(unit_vectors(ra[here], dec[here]) - moved, axis=-1))
    near = separation <= radius_arcsec
    return here[near], there[near], separation[near]


def _largest_motion(catalogue: Catalogue, mjd: FloatArray) -> float:
    """Arcsec by which a source may have moved between its epoch and any of `mjd`."""
    if catalogue.pm_ra is None or catalogue.pm_dec is None or catalogue.epoch is None:
        return 0.0
    years = np.nanmax(np.abs(mjd - catalogue.epoch), initial=0.0) / DAYS_PER_JULIAN_YEAR
    motion = np.hypot(np.nan_to_num(catalogue.pm_ra), np.nan_to_num(catalogue.pm_dec))
    return float(motion.max(initial=0.0) * years / 1000)


def matches_table(
    here: npt.NDArray[np.int64],
    there: npt.NDArray[np.int64],
    separation: FloatArray,
    n_within: npt.NDArray[np.int64],
    positions: tuple[FloatArray, FloatArray, FloatArray],
    catalogue: Catalogue,
    *,
    with_row: bool = False,
) -> pa.Table:
    """Table of matches of positions (ra, dec, mjd) with rows of a catalogue.

    `here` are the rows of the positions, `there` those of the catalogue (-1 for none), `separation` is in
    arcsec (NaN for none), `n_within` counts for each position. `with_row` adds the column `row`.
    """
    import pyarrow as pa  # 0.15 s that matching in memory need not spend at import

    ra, dec, mjd = (values[here] for values in positions)
    none = there < 0
    row = np.where(none, 0, there)
    if len(catalogue):
        match_ra, match_dec = catalogue.at(row, mjd)
    else:
        match_ra = match_dec = np.full(len(here), np.nan)
    d_ra = (ra - match_ra + 180.0) % 360.0 - 180.0
    real = {
        "ra": match_ra,
        "dec": match_dec,
        "sep_arcsec": separation,
        "ra_offset": d_ra * np.cos(np.radians(dec)) * 3600,
        "dec_offset": (dec - match_dec) * 3600,
    }
    table: dict[str, pa.Array] = {"row": pa.array(here)} if with_row else {}
    name = catalogue.name
    table[f"{name}_id"] = _taken(catalogue.id, row, none)
    table |= {f"{name}_{key}": pa.array(values, mask=none) for key, values in real.items()}
    table[f"{name}_n_within"] = pa.array(n_within[here].astype(np.int32))
    table |= {f"{name}_{key}": _taken(values, row, none) for key, values in catalogue.extra.items()}
    return pa.table(table)


def _taken(values: npt.NDArray[Any], row: npt.NDArray[np.int64], none: npt.NDArray[np.bool_]) -> pa.Array:
    import pyarrow as pa

    array = pa.array(values.tolist() if values.dtype.kind in "OU" else values, from_pandas=True)
    return array.take(pa.array(np.where(none, -1, row), mask=none))


def chance_positions(
    ra: FloatArray, dec: FloatArray, radius_arcsec: float
) -> Iterator[tuple[FloatArray, FloatArray]]:
    """Positions (degrees) shifted by 1 to 5 arcmin in 8 directions, all of them up to 40 times.

    Matches of these within a radius are chance. Shifts below twice the radius, from which the true
    counterparts may be near, are left out.
    """
    for shift in CHANCE_SHIFTS_ARCMIN:
        if 60 * shift >= 2 * radius_arcsec:
            for k in range(CHANCE_DIRECTIONS):
                yield _offset(ra, dec, shift / 60, 2 * np.pi * k / CHANCE_DIRECTIONS)


def _offset(ra: FloatArray, dec: FloatArray, shift: float, angle: float) -> tuple[FloatArray, FloatArray]:
    """Positions `shift` degrees away at position angle `angle` (radians, north through east)."""
    a, d, s = np.radians(ra), np.radians(dec), np.radians(shift)
    sin_dec = np.sin(d) * np.cos(s) + np.cos(d) * np.sin(s) * np.cos(angle)
    d_ra = np.arctan2(np.sin(angle) * np.sin(s) * np.cos(d), np.cos(s) - np.sin(d) * sin_dec)
    return np.degrees(a + d_ra) % 360.0, np.degrees(np.arcsin(np.clip(sin_dec, -1, 1)))
