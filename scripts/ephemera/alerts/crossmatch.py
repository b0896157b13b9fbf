"""Match loci to local catalogues: all rows within a radius, the nearest marked.

Reads the loci that the night touched and the matches of the night before. A locus is matched again when its
mean moved by more than 0.2 arcsec, and all are when a catalogue's file changed. Nothing asks the network; a
catalogue that is not there is noted as missing, which is not the same as no match.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.alerts import store
from ephemera.alerts.loci import LOCI, MATCH, means_of
from ephemera.files import sha256_of
from ephemera.sky.motion import DAYS_PER_JULIAN_YEAR, mjd_of_julian_year, moved
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, angle_arcsec, chord, unit_vectors
from ephemera.tables.foreign import read_columns
from ephemera.tables.nested import F8, TEXT, nested_schema

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)
FloatArray = npt.NDArray[np.float64]

MATCHES = nested_schema(
    "matches",
    "Rows of catalogues around loci.",
    (
        ("locus_id", TEXT, None, "meta.id;meta.main", "Locus"),
        ("ra", F8, "deg", "pos.eq.ra", "Right ascension at which it was matched, ICRS"),
        ("dec", F8, "deg", "pos.eq.dec", "Declination at which it was matched, ICRS"),
        ("matches", pa.list_(MATCH), None, "meta.id.cross", "Rows within the radius, the nearest marked"),
    ),
)
#: A locus is matched again when its mean moved farther, arcsec.
MOVED = 0.2
#: Rows whose normalised distance is larger do not match, where the catalogue has error ellipses.
LARGEST_NORMALISED = 2.0


@dataclass(frozen=True)
class Catalogue:
    """Positions at `mjd`, the columns that are kept, and error ellipses where there are some."""

    name: str
    vectors: FloatArray
    kept: pa.Table
    radius_arcsec: float
    ellipses: tuple[FloatArray, FloatArray, FloatArray] | None = None


def read_catalogue(settings: Mapping[str, Any], mjd: float) -> Catalogue:
    """A catalogue with its positions moved to `mjd` by proper motion (mas/yr, RA with cos dec).

    Raises CatalogueError for a file that cannot be read or lacks a column.
    """
    places = ("ra", "dec", "pm_ra", "pm_dec", "error_major", "error_minor", "error_angle")
    named = [settings[place] for place in places if settings.get(place)]
    table = read_columns(Path(settings["file"]), [*named, *settings["columns"]])

    def column(place: str) -> FloatArray:
        return np.asarray(table[settings[place]].to_numpy(), np.float64)

    ra, dec = column("ra"), column("dec")
    good = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    ra, dec = np.where(good, ra, 0), np.where(good, dec, 0)
    if settings.get("pm_ra"):
        years = (mjd - mjd_of_julian_year(settings["epoch"])) / DAYS_PER_JULIAN_YEAR
        ra, dec = moved(ra, dec, column("pm_ra"), column("pm_dec"), years)
    nowhere = np.array([[0.0, 0.0, -2.0]])  # out of reach of everything
    vectors = np.where(good[:, None], unit_vectors(ra, dec), nowhere)
    ellipses = None
    if settings.get("error_major"):
        ellipses = column("error_major"), column("error_minor"), column("error_angle")
    kept = table.select(settings["columns"])
    return Catalogue(settings["name"], vectors, kept, settings["radius_arcsec"], ellipses)


def _frame(vectors: FloatArray, ra: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Unit vectors to the east and the north at each position."""
    angle = np.radians(ra)
    east = np.stack([-np.sin(angle), np.cos(angle), np.zeros_like(angle)], axis=1)
    return east, np.cross(vectors, east)


def match(means: FloatArray, catalogue: Catalogue) -> list[list[dict[str, Any]]]:
    """Rows of a catalogue around each unit vector (n, 3), nearest first."""
    from scipy.spatial import cKDTree

    if len(catalogue.vectors) == 0 or len(means) == 0:
        return [[] for _ in means]
    tree = cKDTree(catalogue.vectors)
    near: Any = tree.query_ball_point(means, chord(catalogue.radius_arcsec))
    found = []
    for vector, rows in zip(means, near, strict=True):
        apart = (
            angle_arcsec(np.linalg.norm(catalogue.vectors[rows] - vector, axis=1)) if rows else np.zeros(0)
        )
        order = sorted(range(len(rows)), key=lambda k: (apart[k], rows[k]))
        chosen = [k for k in order if _inside(vector, rows[k], catalogue)]
        found.append(
            [
                {
                    "catalogue": catalogue.name,
                    "row": int(rows[k]),
                    "sep_arcsec": float(apart[k]),
                    "nearest": rank == 0,
                    "columns": _kept(catalogue, int(rows[k])),
                }
                for rank, k in enumerate(chosen)
            ]
        )
    return found


def _inside(vector: FloatArray, row: int, catalogue: Catalogue) -> bool:
    """Whether a position lies within twice the error ellipse of a row, where there is one."""
    if catalogue.ellipses is None:
        return True
    major, minor, angle = (float(part[row]) for part in catalogue.ellipses)
    if not (major > 0 and minor > 0):
        return True
    centre = catalogue.vectors[row : row + 1]
    east, north = _frame(centre, np.degrees(np.arctan2(centre[:, 1], centre[:, 0])))
    x, y = (float(np.dot(vector - centre[0], axis[0])) * ARCSEC_PER_RADIAN for axis in (east, north))
    turn = np.radians(angle)
    along, across = x * np.sin(turn) + y * np.cos(turn), x * np.cos(turn) - y * np.sin(turn)
    return bool(np.hypot(along / major, across / minor) <= LARGEST_NORMALISED)


def _kept(catalogue: Catalogue, row: int) -> str:
    values = {name: catalogue.kept[name][row].as_py() for name in catalogue.kept.column_names}
    plain = {name: v for name, v in values.items() if v is not None and v == v}
    return json.dumps(plain, sort_keys=True, default=str)


def match_all(loci: pa.Table, catalogues: Sequence[Catalogue]) -> pa.Table:
    """Matches of loci to all catalogues."""
    means = means_of(loci) if len(loci) else np.zeros((0, 3))
    per_locus: list[list[dict[str, Any]]] = [[] for _ in range(len(loci))]
    for catalogue in catalogues:
        for rows, found in zip(per_locus, match(means, catalogue), strict=True):
            rows += found
    matches = pa.array(per_locus, MATCHES.field("matches").type)
    return pa.table([loci["locus_id"], loci["ra"], loci["dec"], matches], schema=MATCHES)


def main(job: Job) -> None:
    """Write the matches of all loci after one night."""
    settings = job.recipe["parameters"]["catalogues"]
    previous = getattr(job.input, "previous", None)
    here = [c for c in settings if Path(c["file"]).is_file()]
    hashes = {c["name"]: sha256_of(c["file"]) for c in here}
    before = json.loads((previous / "catalogues.json").read_text(encoding="utf-8")) if previous else {}
    job.output.state.mkdir(parents=True)
    everything = before.get("sha256", hashes) != hashes
    cells = set(store.cells_in(job.input.state / "loci"))
    if not everything and previous is not None:
        cells &= set(store.cells_of_alerts(job.input.alerts)) | (
            cells - set(store.cells_in(previous / "matches"))
        )
    night = int(job.wildcards.night)
    catalogues = [read_catalogue(c, night + 0.5) for c in here]
    loci = store.read(job.input.state / "loci", sorted(cells), LOCI)
    old = store.read(previous and previous / "matches", loci, MATCHES)
    changed = {
        cell: _matched(table, old.get(cell), catalogues, anew=everything) for cell, table in loci.items()
    }
    store.advance(previous and previous / "matches", job.output.state / "matches", changed)
    missing = sorted(c["name"] for c in settings if c["name"] not in hashes)
    note = {"sha256": hashes, "missing": missing}
    (job.output.state / "catalogues.json").write_text(
        json.dumps(note, sort_keys=True) + "\n", encoding="utf-8"
    )
    log.info("%d cells matched to %d catalogues", len(changed), len(catalogues))


def _matched(
    loci: pa.Table, old: pa.Table | None, catalogues: Sequence[Catalogue], *, anew: bool
) -> pa.Table:
    """Matches of a cell: those of before where the mean stayed, new ones elsewhere."""
    if old is None or anew or len(old) == 0:
        return match_all(loci, catalogues)
    rows = {name: k for k, name in enumerate(old["locus_id"].to_pylist())}
    positions = unit_vectors(old["ra"].to_numpy(), old["dec"].to_numpy())
    place = [rows.get(name, -1) for name in loci["locus_id"].to_pylist()]
    moved = angle_arcsec(np.linalg.norm(means_of(loci) - positions[place], axis=1)) > MOVED
    again = moved | (np.array(place) < 0)
    kept = old.take(
        pa.array([k for k, new in zip(place, again.tolist(), strict=True) if not new], pa.int64())
    )
    table = pa.concat_tables([kept, match_all(loci.filter(pa.array(again)), catalogues)])
    return table.take(pa.compute.sort_indices(table["locus_id"]))
