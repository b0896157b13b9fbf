"""A simulated survey: alerts drawn from light curves, with a truth for each.

Makes the alerts of a delivery in the canonical table, and the truth. The defaults are those of the ANTARES
teaching notebook: ten epochs on every second night, two visits an hour apart, bands I and V ten minutes
apart, five background alerts and the fake source in each packet. Time of a packet:
0.5 + 2 (epoch - 1) + (visit - 1) / 24 + band 10 / 1440 d after the start of each source's light curve.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from ephemera.alerts.columns import AB_ZERO_NJY, MAG_ERR_OF_RELATIVE
from ephemera.alerts.light_curves import (
    INVENTED,
    Source,
    injected,
    invented_cepheids,
    invented_fake,
    read_fake,
    read_sources,
)
from ephemera.alerts.schema import ALERTS, EXTRA, EXTRA_TYPE
from ephemera.alerts.times import night_of
from ephemera.files import atomic_path
from ephemera.seeds import generator
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, positions, unit_vectors
from ephemera.tables.nested import F8, FLAG, I8, TEXT, nested_schema

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

TRUTH = nested_schema(
    "truth",
    "What the alerts of a simulated survey are of.",
    (
        ("alert_key", TEXT, None, "meta.id;meta.main", "Alert"),
        ("source_id", TEXT, None, "meta.id", "Source it is of"),
        ("label", TEXT, None, "meta.code.class", "Class of the source"),
        ("injected", FLAG, None, "meta.modelled", "Whether the source was injected"),
        ("ra", F8, "deg", "pos.eq.ra", "True right ascension, ICRS"),
        ("dec", F8, "deg", "pos.eq.dec", "True declination, ICRS"),
        ("mag", F8, "mag", "phot.mag", "Magnitude without noise"),
        ("mjd_utc", F8, "d", "time.epoch", "Time of the alert, UTC"),
        ("epoch", I8, None, "meta.number", "Epoch, from 1"),
        ("visit", I8, None, "meta.number", "Visit of the epoch, from 1"),
        ("band", TEXT, None, "instr.bandpass", "Band"),
    ),
)
#: Steps of the clock, d.
VISIT_GAP, BAND_GAP, EPOCH_GAP = 1 / 24, 10 / 1440, 2.0


@dataclass(frozen=True)
class SimulationConfig:
    """Options of a simulated survey; the defaults are the notebook's, on a regular clock."""

    epochs: int = 10
    visits: int = 2
    bands: tuple[str, ...] = ("I", "V")
    background: int = 5
    first: float = 0.5
    start_mjd: float = 0.0
    clock: str = "regular"
    hold: bool = False
    noise: bool = True
    dither_arcsec: float = 1.0
    faintest: float = 22.0
    seed: int = 0
    survey: str = "sim"


class SimulatedSurvey(NamedTuple):
    """Canonical alerts and the truth of each."""

    alerts: pa.Table
    truth: pa.Table


def clock(config: SimulationConfig) -> list[tuple[float, int, int, int]]:
    """Time (d), epoch, visit and number of the band of each packet.

    The notebook adds every step to a running clock, so that its nights drift by 2.1111 d per epoch.
    """
    if config.clock not in ("regular", "notebook"):
        message = f"clock must be regular or notebook, got {config.clock!r}"
        raise ValueError(message)
    packets, running = [], config.first
    for epoch in range(1, config.epochs + 1):
        for visit in range(1, config.visits + 1):
            running += VISIT_GAP
            for band in range(len(config.bands)):
                running += BAND_GAP
                regular = config.first + EPOCH_GAP * (epoch - 1) + VISIT_GAP * (visit - 1) + BAND_GAP * band
                packets.append((running if config.clock == "notebook" else regular, epoch, visit, band))
        running += EPOCH_GAP
    return packets


def noiseless(
    source: Source, band: str, time: float, *, hold: bool = False, as_filed: bool = False
) -> tuple[float, float] | None:
    """Magnitude and its error at `time` after the start of the source's curves; None outside its curve.

    `as_filed` interpolates points in the order of the file, as the notebook does with its fake source,
    whose times do not all increase.
    """
    curve = source.curves.get(band)
    if curve is None:
        return None
    moment = source.start + time
    if not hold and not curve.time[0] <= moment <= curve.time[-1]:
        return None
    points = source.as_filed.get(band, curve) if as_filed else curve
    mag = float(np.interp(moment, points.time, points.mag))
    return (mag, float(np.interp(moment, curve.time, curve.error))) if np.isfinite(mag) else None


def dithered(ra: float, dec: float, east: float, north: float) -> tuple[float, float]:
    """Position moved by offsets (arcsec) on its tangent plane, by rotating its unit vector."""
    vector = unit_vectors(ra, dec)
    angle = np.radians(ra)
    to_east = np.array([-np.sin(angle), np.cos(angle), 0.0])
    moved = vector + (east * to_east + north * np.cross(vector, to_east)) / ARCSEC_PER_RADIAN
    new_ra, new_dec = positions(moved)
    return float(new_ra), float(new_dec)


def simulate_survey(
    sources: Sequence[Source], config: SimulationConfig | Mapping[str, Any] | None = None
) -> SimulatedSurvey:
    """Alerts of a survey of `sources`; those that are injected are in every packet.

    The same seed gives the same alerts, whatever the number of cores. Raises ValueError for options that do
    not exist.
    """
    config = config if isinstance(config, SimulationConfig) else simulation_config(config or {})
    rows: list[dict[str, Any]] = []
    background = [source for source in sources if not source.injected]
    guests = [source for source in sources if source.injected]
    for number, (time, epoch, visit, k) in enumerate(clock(config)):
        band = config.bands[k]
        random = generator(config.seed, "packet", epoch, visit, band)
        able = [s for s in background if noiseless(s, band, time, hold=config.hold) is not None]
        drawn: Any = (
            random.choice(len(able), min(config.background, len(able)), replace=False) if able else []
        )
        for slot, source in enumerate([*guests, *(able[int(j)] for j in drawn)]):
            row = _alert(source, band, time, random, config)
            if row is not None:
                identifier = (number + 1) * 1000 + slot
                rows.append({**row, "id": identifier, "epoch": epoch, "visit": visit, "plain_band": band})
    return SimulatedSurvey(_alerts(rows, config), _truth(rows, config))


def simulation_config(options: Mapping[str, Any]) -> SimulationConfig:
    """Options by name. Raises ValueError for one that does not exist."""
    known = {one.name for one in fields(SimulationConfig)}
    unknown = sorted(set(options) - known)
    if unknown:
        message = (
            f"a simulated survey has no option {', '.join(unknown)}; there are {', '.join(sorted(known))}"
        )
        raise ValueError(message)
    return SimulationConfig(**{**options, "bands": tuple(options.get("bands", ("I", "V")))})


def _alert(
    source: Source, band: str, time: float, random: np.random.Generator, config: SimulationConfig
) -> dict[str, Any] | None:
    """One alert; the same number of random draws whether it is there or not."""
    offsets = random.normal(0.0, config.dither_arcsec, 2) if config.dither_arcsec > 0 else np.zeros(2)
    draw, fake_error = random.normal(), abs(random.normal(0.01, 0.05))
    value = noiseless(source, band, time, hold=config.hold, as_filed=config.clock == "notebook")
    if value is None or value[0] > config.faintest:
        return None
    mag, error = value
    if source.label == "fake":
        error = fake_error
    ra, dec = dithered(source.ra, source.dec, source.motion[0] * time, source.motion[1] * time)
    seen = dithered(ra, dec, *offsets)
    noisy = mag + draw * error if config.noise else mag
    return {
        "source": source, "ra": seen[0], "dec": seen[1], "true_ra": ra, "true_dec": dec, "mag": noisy,
        "true_mag": mag, "err": max(error, 1e-4), "mjd": config.start_mjd + time,
        "band": f"{config.survey}_{band}",
    }  # fmt: skip


def _alerts(rows: Sequence[Mapping[str, Any]], config: SimulationConfig) -> pa.Table:
    """Canonical table of simulated alerts."""
    n = len(rows)
    mag, err = np.array([r["mag"] for r in rows], float), np.array([r["err"] for r in rows], float)
    flux = 10 ** ((AB_ZERO_NJY - mag) / 2.5)
    mjd = np.array([r["mjd"] for r in rows], float)
    extra = [pa.nulls(n, EXTRA_TYPE.field(name).type) for name in EXTRA]
    columns: dict[str, Any] = {
        "alert_key": [f"{config.survey}:{r['id']}" for r in rows],
        "survey": [config.survey] * n,
        "schema_version": ["1"] * n,
        "alert_id": [r["id"] for r in rows],
        "alert_id_text": [str(r["id"]) for r in rows],
        "object_id": [r["source"].source_id for r in rows],
        "ss_id": [None] * n,
        "kind": np.zeros(n, np.int8),
        "ra": [r["ra"] for r in rows],
        "dec": [r["dec"] for r in rows],
        "mjd_utc": mjd,
        "time_ref": np.zeros(n, np.int8),
        "band": [r["band"] for r in rows],
        "flux": flux,
        "flux_err": (flux * err / MAG_ERR_OF_RELATIVE).astype(np.float32),
        "mag": mag.astype(np.float32),
        "mag_err": err.astype(np.float32),
        "sign": np.ones(n, np.int8),
        "maglim": [None] * n,
        "score": [None] * n,
        "extra": pa.StructArray.from_arrays(extra, fields=list(EXTRA_TYPE)),
        "carrier_key": [None] * n,
        "source_file": ["simulated"] * n,
        "offset": np.arange(n),
        "night": night_of(mjd),
    }
    arrays = []
    for column in ALERTS:
        values = columns[column.name]
        if isinstance(values, pa.Array):
            arrays.append(values)
        elif pa.types.is_dictionary(column.type):
            arrays.append(pa.array(values, pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values, column.type))
    return pa.Table.from_arrays(arrays, schema=ALERTS)


def _truth(rows: Sequence[Mapping[str, Any]], config: SimulationConfig) -> pa.Table:
    """Truth of each alert."""
    table = [
        {
            "alert_key": f"{config.survey}:{r['id']}", "source_id": r["source"].source_id,
            "label": r["source"].label, "injected": r["source"].injected,
            "ra": r["true_ra"], "dec": r["true_dec"], "mag": r["true_mag"],
            "mjd_utc": r["mjd"], "epoch": r["epoch"], "visit": r["visit"], "band": r["plain_band"],
        }
        for r in rows
    ]  # fmt: skip
    return pa.Table.from_pylist(table, TRUTH)


def sources_of(options: Mapping[str, Any], seed: int) -> list[Source]:
    """Sources of a scenario: light curves of files or invented ones, the fake source, injected classes."""
    sources: list[Source] = []
    for path in options["light_curves"]:
        sources += read_sources(Path(path))
    if not options["light_curves"]:
        sources = invented_cepheids(options["cepheids"], generator(seed, "cepheids"))
    if options["fake"]:
        invented = options["fake"] == INVENTED
        sources.append(invented_fake() if invented else read_fake(Path(options["fake"])))
    span = 2.0 * options["epochs"] + 2.0
    return sources + injected(options["inject"], generator(seed, "injected"), options["bands"], span)


def main(job: Job) -> None:
    """Write alerts and truth of one simulated delivery."""
    import pyarrow.parquet as pq

    options = job.recipe["parameters"]
    source = json.loads(job.input.source.read_text(encoding="utf-8"))
    number = int.from_bytes(source["location"].encode()[:7], "big")
    seed = int(generator(options["seed"], source["location"], number).integers(2**31))
    known = {one.name for one in fields(SimulationConfig)} & set(options)
    config = simulation_config({**{name: options[name] for name in known}, "seed": seed})
    survey = simulate_survey(sources_of(options, seed), config)
    pq.write_table(survey.alerts, job.output.alerts, compression="zstd")
    pq.write_table(survey.truth, job.output.truth, compression="zstd")
    if options["avro"]:
        from ephemera.alerts.simulate_avro import write_packets

        with atomic_path(job.input.source.parent / "packets.avro") as partial:
            write_packets(survey.alerts, partial)
    log.info("%d alerts of %d sources", len(survey.alerts), len(set(survey.truth["source_id"].to_pylist())))
