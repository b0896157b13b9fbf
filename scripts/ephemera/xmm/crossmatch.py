"""Match the sources and detections of a catalogue with another one, and say how many matches are chance.

Reads detections and sources, and a catalogue: a local file, or what the CDS X-Match service has near our
positions. Makes a table of matches for each (nearest within the radius, or within the error ellipse of
catalogues that have one; nulls where there is none), matches and chance matches by separation, a calibration
of positional errors for reference catalogues, and a note of how it went. A service that does not answer gives
nulls, a warning and a note; it is asked again by the next run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.files import json_text
from ephemera.sky.crossmatch import Catalogue, chance_positions, crossmatch, matches_table
from ephemera.sky.separations import expected_counts, fit_separations
from ephemera.tables import numbers, read, write
from ephemera.tables.foreign import column_facts, read_all
from ephemera.transfer.web import Web
from ephemera.transfer.xmatch import Unavailable, XMatch
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.crossmatch_columns import CALIBRATION, CHANCE, detection_matches, source_matches
from ephemera.xmm.crossmatch_presets import SetPlan, plan
from ephemera.xmm.crossmatch_sets import NoPositions, ReadSet, read_set
from ephemera.xmm.matches import SetOutcome
from ephemera.xmm.observation import FloatArray

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.xmm_catalogue import Crossmatch as CrossmatchSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Significances (sigma) of the detections whose positional errors are calibrated apart: from, up to.
CALIBRATED = ((3.0, 5.0), (5.0, None))


@dataclass(frozen=True)
class Positions:
    """What is matched: `ra`, `dec` (degrees), epoch (MJD), stated radial error (arcsec), significance."""

    ra: FloatArray
    dec: FloatArray
    mjd: FloatArray
    poserr: FloatArray
    sigma: FloatArray

    def table(self) -> dict[str, FloatArray]:
        """Columns as crossmatches take them."""
        return {"ra": self.ra, "dec": self.dec, "mjd": self.mjd}


def positions_of(table: pa.Table, epochs: tuple[str, ...], sigmas: tuple[str, ...]) -> Positions:
    """Positions of detections or sources; the epoch is the mean and sigma the largest of some columns."""
    return Positions(
        numbers(table, "ra"),
        numbers(table, "dec"),
        np.mean([numbers(table, name) for name in epochs], axis=0),
        numbers(table, "poserr"),
        np.fmax.reduce([numbers(table, name) for name in sigmas]),
    )


def match(positions: Positions, found: ReadSet, how: SetPlan) -> pa.Table:
    """Nearest match of each position, within the radius or, where it has one, the catalogue's ellipse."""
    if found.has_ellipses:
        return match_in_ellipses(positions, found, how)
    return crossmatch(positions.table(), found.catalogue, how.radius_arcsec, epoch="mjd")


def match_in_ellipses(positions: Positions, found: ReadSet, how: SetPlan) -> pa.Table:
    """Match of each position that is nearest in units of the catalogue's own errors, within `error_sigma`.

    The errors are of one axis, degrees on the sky: (d_ra / e_ra)^2 + (d_dec / e_dec)^2 <= error_sigma^2.
    """
    assert found.error_ra is not None
    assert found.error_dec is not None
    name, errors, reach = how.name, found.error_ra, 1.01 * found.farthest(how)
    # The row in the catalogue stands for the id, so that errors can be looked up.
    rows = Catalogue(name, np.arange(len(errors)), found.catalogue.ra, found.catalogue.dec)
    pairs = crossmatch(positions.table(), rows, reach, all_within=True)
    here, there = (pairs[column].to_numpy().astype(np.int64) for column in ("row", f"{name}_id"))
    offsets = [pairs[f"{name}_{axis}_offset"].to_numpy() / 3600 for axis in ("ra", "dec")]
    distance = np.hypot(offsets[0] / found.error_ra[there], offsets[1] / found.error_dec[there])
    inside = np.flatnonzero(distance <= how.error_sigma)
    order = inside[np.lexsort((there[inside], distance[inside], here[inside]))]
    nearest = order[np.flatnonzero(np.diff(here[order], prepend=-1))]
    row, separation = np.full(len(positions.ra), -1), np.full(len(positions.ra), np.nan)
    row[here[nearest]] = there[nearest]
    separation[here[nearest]] = pairs[f"{name}_sep_arcsec"].to_numpy()[nearest]
    n_within = np.bincount(here[inside], minlength=len(row))
    where = (positions.ra, positions.dec, positions.mjd)
    return matches_table(np.arange(len(row)), row, separation, n_within, where, found.catalogue)


def get_set(
    how: SetPlan, file: Path | None, service: XMatch, sources: Positions, detections: Positions
) -> ReadSet:
    """The catalogue: the whole file, or what the service has near our positions and the shifted ones.

    Raises Unavailable when the service does not answer, ValueError or CatalogueError for an unusable file.
    """
    if how.cds is None:
        assert file is not None
        try:
            return read_set(read_all(file), how, column_facts(file))
        except NoPositions as error:
            message = f"crossmatch set {how.name}: {file}: {error}"
            raise ValueError(message) from error
    asked = [(sources.ra, sources.dec), (detections.ra, detections.dec)]
    asked += list(chance_positions(sources.ra, sources.dec, how.radius_arcsec))
    ra, dec = (np.concatenate([each[axis] for each in asked]) for axis in (0, 1))
    try:
        return read_set(service.near(how.cds, ra, dec, how.radius_arcsec), how)
    except NoPositions as error:
        message = f"{how.cds}: {error}"
        raise Unavailable(message) from error


def chance_counts(sources: Positions, found: ReadSet, how: SetPlan, edges: FloatArray) -> FloatArray:
    """Chance matches expected in each bin of separation, arcsec; NaN where all shifts are too small to say.

    The mean over shifted positions, which are matched as the sources are.
    """
    counts = []
    for ra, dec in chance_positions(sources.ra, sources.dec, float(edges[-1])):
        matches = match(replace(sources, ra=ra, dec=dec), found, how)
        counts.append(np.histogram(matches[f"{how.name}_sep_arcsec"].drop_null().to_numpy(), edges)[0])
    return np.mean(counts, axis=0) if counts else np.full(len(edges) - 1, np.nan)


def chance_columns(
    sources: Positions, matches: pa.Table, found: ReadSet, how: SetPlan, bins: int
) -> dict[str, Any]:
    """Columns of `CHANCE`: matches by separation, those by chance, and the model."""
    farthest = found.farthest(how)
    edges = np.linspace(0.0, farthest, bins + 1)
    separation = matches[f"{how.name}_sep_arcsec"].drop_null().to_numpy()
    number = np.histogram(separation, edges)[0]
    chance = chance_counts(sources, found, how, edges)
    fit = None if found.has_ellipses else fit_separations(separation, farthest)
    model = np.full(bins, np.nan)
    if fit is not None:
        model = expected_counts(edges, farthest, fit.scale, fit.fraction, len(separation))
    with np.errstate(divide="ignore", invalid="ignore"):
        false = np.where(number > 0, np.minimum(chance / number, 1.0), np.nan)
        within = np.where(number.cumsum() > 0, np.minimum(chance.cumsum() / number.cumsum(), 1.0), np.nan)
    return {
        "sep_low": edges[:-1],
        "sep_high": edges[1:],
        "n_matches": number.astype(np.int64),
        "n_chance": chance,
        "false_fraction": false,
        "false_fraction_within": within,
        "n_model": model,
    }


def calibration_rows(
    what: str, positions: Positions, matches: pa.Table, how: SetPlan
) -> list[dict[str, Any]]:
    """Rows of `CALIBRATION` for detections of 3 to 5 sigma and of 5 sigma and more."""
    rows = []
    separation, d_ra, d_dec = (
        numbers(matches, f"{how.name}_{name}") for name in ("sep_arcsec", "ra_offset", "dec_offset")
    )
    for low, high in CALIBRATED:
        mine = np.isfinite(separation) & (positions.sigma >= low)
        if high is not None:
            mine &= positions.sigma < high
        r, stated = separation[mine], positions.poserr[mine] / np.sqrt(2)
        row: dict[str, Any] = {"reference": how.name, "what": what, "min_sigma": low, "max_sigma": high}
        row |= {"n": len(r)}
        one, scaled = fit_separations(r, how.radius_arcsec), fit_separations(r, how.radius_arcsec, stated)
        if one is not None and scaled is not None:
            row |= {"sigma": one.scale, "sigma_err": one.scale_err}
            row |= {"fraction": one.fraction, "fraction_err": one.fraction_err}
            row |= {"scale": scaled.scale, "scale_err": scaled.scale_err}
        if len(r):
            row |= {"sigma_stated": float(np.median(stated))}
            row |= {"ra_shift": float(np.median(d_ra[mine])), "dec_shift": float(np.median(d_dec[mine]))}
        rows.append(row)
    return rows


def service_of(settings: CrossmatchSettings, folder: Path) -> XMatch:
    """The service as the options ask for; its answers are kept in `folder`."""
    web = None
    if not settings.offline:
        web = Web(
            folder,
            connect_timeout=settings.connect_timeout_s,
            read_timeout=settings.read_timeout_s,
            retries=settings.retries,
            per_second=1.0,
            connections=1,
        )
    return XMatch(settings.service, web, folder, settings.chunk_rows)


def main(job: Job) -> None:
    """Write the matches of one project with one set."""
    settings: CrossmatchSettings = job.settings
    parameters: Mapping[str, Any] = job.recipe["parameters"]
    chosen = next(each for each in parameters["sets"] if each["name"] == job.wildcards.set)
    how = plan(chosen, settings.radius_arcsec)
    tables = {
        "sources": read(job.input.sources, SOURCES),
        "detections": read(job.input.detections, CATALOGUE_DETECTIONS),
    }
    places = {
        "sources": positions_of(tables["sources"], ("first_seen", "last_seen"), ("best_sigma",)),
        "detections": positions_of(tables["detections"], ("mjd_peak",), ("sigma_peak", "sigma_eclipse")),
    }
    outcome, detail, found = SetOutcome.OK, "", None
    try:
        service = service_of(settings, Path(parameters["kept_answers"]))
        found = get_set(
            how, getattr(job.input, "file", None), service, places["sources"], places["detections"]
        )
    except Unavailable as error:
        log.warning("%s: %s; its columns are null", how.name, error)
        outcome, detail = SetOutcome.OFFLINE if settings.offline else SetOutcome.UNAVAILABLE, str(error)
    note: dict[str, Any] = {"set": how.name, "outcome": outcome.value, "detail": detail}
    chance: Any = CHANCE.empty()
    calibration: list[dict[str, Any]] = []
    for what, declare in (("sources", source_matches), ("detections", detection_matches)):
        declaration, table = declare(how.name, how.columns), tables[what]
        key, *others = declaration.names
        columns: dict[str, Any] = dict.fromkeys(others, [None] * len(table)) | {key: table[key]}
        if found is not None:
            matches = match(places[what], found, how)
            columns |= {name: matches[name] for name in others}
            if what == "sources":
                chance = chance_columns(places[what], matches, found, how, settings.chance_bins)
            if how.reference:
                calibration += calibration_rows(what, places[what], matches, how)
        written = declaration.arrow(columns)
        write(written, declaration, getattr(job.output, what))
        note[f"n_{what}_matched"] = len(written) - written[f"{how.name}_id"].null_count
    write(chance, CHANCE, job.output.chance)
    write(calibration, CALIBRATION, job.output.calibration)
    job.output.status.write_text(json_text(note), encoding="utf-8")
