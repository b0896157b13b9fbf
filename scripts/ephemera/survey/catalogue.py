"""The list of sources: read, check, deal out to batches.

Reads a catalogue file in any of the usual formats, or makes the test catalogue. Makes the table of sources,
the rows that were rejected and why, and one small table per batch. A batch holds sources of one degree of
right ascension and is named after its content, so that a change of the catalogue makes exactly those
batches new whose sources changed.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.survey.columns import REJECTED, SOURCE
from ephemera.survey.parquet_tables import read_table, table_of, table_of_rows, write_table
from ephemera.tables import write
from ephemera.tables.foreign import CatalogueError, degrees, read_columns

if TYPE_CHECKING:
    from ephemera.config.survey import Catalogue as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Positions closer than this (arcsec) are told as duplicates.
SAME_PLACE = 0.1
#: Names that one message lists.
LISTED = 5
#: Time of batch files, s since 1970: their names tell their content, so that their age means nothing.
AGELESS = 946_684_800

#: Columns, epoch and band of the white dwarfs of Gaia EDR3 (Gentile Fusillo et al. 2021, MNRAS 508, 3877).
WD_URL = "https://warwick.ac.uk/fac/sci/physics/research/astro/research/catalogues/gaiaedr3_wd_main.fits.gz"
WD_COLUMNS: Mapping[str, str | None] = {
    "name": "source_id",
    "ra": "ra",
    "dec": "dec",
    "pmra": "pmra",
    "pmdec": "pmdec",
    "parallax": "parallax",
    "mag": "phot_g_mean_mag",
    "mag_err": "phot_g_mean_mag_error",
    "alias": None,
}
WD_MAGS: Mapping[str, str] = {"Gaia_BP": "phot_bp_mean_mag", "Gaia_RP": "phot_rp_mean_mag"}
WD_EPOCH, WD_BAND = 2016.0, "Gaia_G"
#: Bands of Gaia, and the columns of its archive.
GAIA_BANDS: Mapping[str, str] = {"Gaia_G": "phot_g_mean_mag", **WD_MAGS}


@dataclass(frozen=True)
class Sources:
    """Sources that can be used, as the table `source`, and the others as (row, name, reason)."""

    table: pa.Table
    rejected: list[tuple[int, str, str]]


def names_of(values: pa.ChunkedArray) -> pa.Array:
    """Names as text: numbers with 64 bits digit by digit, texts without blanks at their ends.

    Raises CatalogueError for names that are floats, which would have lost digits.
    """
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_floating(array.type):
        kept = array.cast(pa.int64(), safe=False)
        same = pc.all(pc.equal(kept.cast(pa.float64(), safe=False), array.cast(pa.float64()))).as_py()
        largest = pc.max(pc.abs(array)).as_py() or 0
        if not same or largest > 2**53:
            msg = (
                "names are floating-point numbers, which lose digits of long ids: store them as text or int64"
            )
            raise CatalogueError(msg)
        array = kept
    return pc.utf8_trim_whitespace(array.cast(pa.string()))


def to_icrs(
    ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64], frame: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Positions of another frame in ICRS, degrees."""
    if frame == "icrs":
        return ra, dec
    from astropy import units
    from astropy.coordinates import SkyCoord

    fine = np.isfinite(ra) & (np.abs(dec) <= 90)
    place = SkyCoord(ra[fine] * units.deg, dec[fine] * units.deg, frame=frame).icrs
    ra, dec = ra.copy(), dec.copy()
    ra[fine], dec[fine] = place.ra.deg, place.dec.deg
    return ra, dec


def sources_of(
    columns: Mapping[str, pa.ChunkedArray], settings: Settings, epoch: float, band: str
) -> Sources:
    """Table of sources from catalogue columns (keys as in survey.catalogue.columns; other bands `mags.BAND`).

    Right ascensions are wrapped to [0, 360). Rows without a position, with a declination beyond +-90 or
    without a name are rejected. Raises CatalogueError for duplicate names.
    """
    names = names_of(columns["name"])
    ra, dec = to_icrs(
        degrees(columns["ra"], hours=settings.frame != "galactic"),
        degrees(columns["dec"], hours=False),
        settings.frame,
    )
    picked, rejected = _usable(names, ra, dec)
    rows = pa.array(picked)
    kept = names.take(rows)
    _refuse_names_given_twice(kept)
    ra = np.mod(ra[picked], 360.0)
    ra[ra >= 360.0] = 0.0
    table = table_of(
        SOURCE,
        {
            "name": kept,
            "cat_index": picked.astype(np.int64),
            "ra": ra,
            "dec": dec[picked],
            "epoch": np.full(len(picked), epoch),
            **{k: _numbers(columns.get(k), rows) for k in ("pmra", "pmdec", "parallax", "mag", "mag_err")},
            "mag_band": pa.array([band] * len(picked), pa.string()),
            "mags": _magnitudes(columns, rows),
            "local_ids": _aliases(columns.get("alias"), rows),
        },
    )
    return Sources(table, sorted(rejected))


def _usable(
    names: pa.Array, ra: npt.NDArray[np.float64], dec: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.intp], list[tuple[int, str, str]]]:
    """Rows that can be used, and the others with name and the first reason why not."""
    named = pc.fill_null(pc.not_equal(names, ""), fill_value=False).to_numpy(zero_copy_only=False)
    reasons = {
        "no name": ~named,
        "no position": ~(np.isfinite(ra) & np.isfinite(dec)),
        "declination beyond +-90": np.isfinite(dec) & (np.abs(dec) > 90),
    }
    rejected = []
    use = np.ones(len(names), bool)
    for reason, which in reasons.items():
        rejected += [(int(k), str(names[int(k)].as_py() or ""), reason) for k in np.flatnonzero(which & use)]
        use &= ~which
    return np.flatnonzero(use), rejected


def _refuse_names_given_twice(names: pa.Array) -> None:
    counts = pc.value_counts(names)
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
    if twice:
        msg = f"{len(twice)} names are in the catalogue more than once: {', '.join(sorted(twice)[:LISTED])}"
        raise CatalogueError(msg)


def _numbers(values: pa.ChunkedArray | None, rows: pa.Array) -> pa.Array:
    """Some rows of a column as numbers; null throughout where there is no such column."""
    if values is None:
        return pa.nulls(len(rows), pa.float64())
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return array.take(rows).cast(pa.float64(), safe=False)


def _magnitudes(columns: Mapping[str, pa.ChunkedArray], rows: pa.Array) -> list[dict[str, float]] | pa.Array:
    """Magnitudes of each source in further bands, by band; null where the catalogue has no such bands."""
    bands = {k.removeprefix("mags."): _numbers(columns[k], rows) for k in columns if k.startswith("mags.")}
    if not bands:
        return pa.nulls(len(rows))
    mags: list[dict[str, float]] = []
    for values in zip(*(numbers.to_pylist() for numbers in bands.values()), strict=True):
        known = zip(bands, values, strict=True)
        mags.append({band: value for band, value in known if value is not None and value == value})
    return mags


def _aliases(values: pa.ChunkedArray | None, rows: pa.Array) -> list[dict[str, str] | None] | pa.Array:
    if values is None:
        return pa.nulls(len(rows))
    return [{"alias": text} if text else None for text in names_of(values).take(rows).to_pylist()]


def with_gaia(table: pa.Table, matches: pa.Table) -> pa.Table:
    """Sources with Gaia's numbers, and its motions and magnitudes where the catalogue has none."""
    by_name = {row["name"]: row for row in matches.to_pylist()}
    rows = table.to_pylist()
    for row in rows:
        row["mags"], row["local_ids"] = dict(row["mags"] or ()), dict(row["local_ids"] or ())
        match = by_name.get(row["name"])
        if match is None:
            continue
        if row["pmra"] is None and row["pmdec"] is None:
            row |= {"pmra": match["pmra"], "pmdec": match["pmdec"]}
        if row["parallax"] is None:
            row["parallax"] = match["parallax"]
        known = {band: match[name] for band, name in GAIA_BANDS.items() if match[name] is not None}
        if row["mag"] is None and "Gaia_G" in known:
            row |= {"mag": known["Gaia_G"], "mag_err": None, "mag_band": "Gaia_G"}
        row["mags"] = {**known, **row["mags"]}
        row["local_ids"]["Gaia"] = str(match["source_id"])
    return table_of_rows(SOURCE, rows)


def in_range(table: pa.Table, wanted: str | list[str]) -> pa.Table:
    """Rows asked for: `all`, `first:last` (rows from 0, last included), names, or an SQL condition."""
    if wanted == "all":
        return table
    if isinstance(wanted, list):
        missing = sorted(set(wanted) - set(table["name"].to_pylist()))
        if missing:
            msg = f"survey.catalogue.range: {', '.join(missing[:LISTED])} is not in the catalogue"
            raise CatalogueError(msg)
        return table.filter(pc.is_in(table["name"], pa.array(wanted)))
    first, colon, last = wanted.partition(":")
    if colon and first.strip().isdecimal() and last.strip().isdecimal():
        index = table["cat_index"]
        return table.filter(pc.and_(pc.greater_equal(index, int(first)), pc.less_equal(index, int(last))))
    import duckdb

    with duckdb.connect(config={"enable_external_access": "false"}) as connection:
        connection.register("source", table)
        try:
            query = f"SELECT cat_index FROM source WHERE {wanted}"  # noqa: S608  the user's own condition
            rows: pa.Table = connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            msg = f"survey.catalogue.range: {wanted!r} is neither first:last nor an SQL condition: {error}"
            raise CatalogueError(msg) from error
    return table.filter(pc.is_in(table["cat_index"], rows.column("cat_index")))


def in_shard(table: pa.Table, shard: str) -> pa.Table:
    """Sources of share i/n; a source's share depends on its name alone."""
    index, count = (int(part) for part in shard.split("/"))
    digests = (hashlib.sha256(name.encode()).digest()[:8] for name in table["name"].to_pylist())
    return table.filter(
        pa.array([int.from_bytes(d, "big") % count == index - 1 for d in digests], pa.bool_())
    )


def made_up_columns(n: int) -> dict[str, pa.ChunkedArray]:
    """Random sources with magnitudes of 15 to 20, named after their positions; always the same."""
    from ephemera.seeds import generator
    from ephemera.sky.names import iau_names

    rng = generator(0, "survey", "catalogue", "test")
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    names = iau_names(ra, dec, "").tolist()
    columns = {"name": names, "ra": ra, "dec": dec, "mag": rng.uniform(15, 20, n)}
    return {key: pa.chunked_array([pa.array(values)]) for key, values in columns.items()}


def warn_of_neighbours(table: pa.Table) -> int:
    """Log sources within 0.1 arcsec of each other; returns the number of such pairs."""
    from ephemera.survey.nearest import Sky

    pairs = Sky(table["ra"].to_numpy(), table["dec"].to_numpy()).pairs(SAME_PLACE)
    if len(pairs):
        some = [" = ".join(table["name"].take(pa.array(pair)).to_pylist()) for pair in pairs[:LISTED]]
        log.warning("%d pairs of sources are within %.1f arcsec: %s", len(pairs), SAME_PLACE, "; ".join(some))
    return len(pairs)


def batches_of(table: pa.Table, size: int, width: int = 1) -> dict[str, pa.Table]:
    """Sources by batch, at most `size` of one slice of right ascension each, in order of name.

    Slices are `width` degrees wide. The name `RA123.0-1f2e3d4c5b6a` holds the degree where the slice starts,
    a number and a digest of the rows.
    """
    rows = table.drop_columns(["cat_index"])
    degree = (np.floor(rows["ra"].to_numpy() / width) * width).astype(np.int16)
    order = pc.sort_indices(
        pa.table({"degree": degree, "name": rows["name"]}), [("degree", "ascending"), ("name", "ascending")]
    )
    rows, degree = rows.take(order), degree[order.to_numpy()]
    edges = np.flatnonzero(np.diff(degree)) + 1
    batches = {}
    for start, stop in zip([0, *edges], [*edges, len(degree)], strict=True):
        for number, first in enumerate(range(start, stop, size)):
            part = rows.slice(first, min(size, stop - first))
            batches[f"RA{degree[start]:03d}.{number}-{_digest(part)}"] = part
    return batches


def _digest(rows: pa.Table) -> str:
    text = repr([rows[name].to_pylist() for name in rows.column_names])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def load(path: Path | None, settings: Settings) -> Sources:
    """Sources of the configured catalogue; `path` is its file where it has one."""
    if settings.default == "test":
        columns = made_up_columns(settings.test_sources)
        return sources_of(columns, settings, settings.epoch, settings.mag_band)
    wd = settings.default == "WD"
    mapping = dict(WD_COLUMNS) if wd else {k: v for k, v in vars(settings.columns).items() if k != "mags"}
    wanted = {key: name for key, name in mapping.items() if name is not None}
    given = settings.columns.mags
    bands = WD_MAGS if wd else given if isinstance(given, Mapping) else vars(given)
    wanted |= {f"mags.{band}": name for band, name in bands.items()}
    if path is None:
        msg = "survey.catalogue has no file"
        raise CatalogueError(msg)
    table = read_columns(path, list(dict.fromkeys(wanted.values())), settings.format, optional(wanted))
    columns = {key: table[name] for key, name in wanted.items() if name in table.column_names}
    epoch, band = (WD_EPOCH, WD_BAND) if wd else (settings.epoch, settings.mag_band)
    return sources_of(columns, settings, epoch, band)


def optional(wanted: Mapping[str, str]) -> frozenset[str]:
    """File columns that may be absent: all but those of name and position."""
    return frozenset(wanted.values()) - {wanted[key] for key in ("name", "ra", "dec")}


def main(job: Job) -> None:
    """Write the table of sources, the rejected rows and the batches."""
    settings: Settings = job.settings
    path = getattr(job.input, "catalogue", None)
    sources = load(path, settings)
    table = in_shard(in_range(sources.table, settings.range), job.settings.shard)
    if getattr(job.input, "gaia", None) is not None:
        table = with_gaia(table, read_table(job.input.gaia))
    if len(sources.rejected):
        log.warning("%d rows rejected, first: row %d (%s): %s", len(sources.rejected), *sources.rejected[0])
    warn_of_neighbours(table)
    write_table(table, "source", job.output.sources)
    rejected = [dict(zip(REJECTED.names, row, strict=True)) for row in sources.rejected]
    write(table_of_rows(REJECTED, rejected), REJECTED, job.output.rejected)
    job.output.batches.mkdir(parents=True)
    for name, part in batches_of(table, job.settings.batch, job.settings.batch_degrees).items():
        file = job.output.batches / f"{name}.parquet"
        write_table(part, "source", file)
        os.utime(file, (AGELESS, AGELESS))
    log.info("%d sources", len(table))
