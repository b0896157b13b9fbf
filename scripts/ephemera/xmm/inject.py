"""Inject bursts and eclipses into the events of an observation, search it again, see what is found.

Reads the events of an observation. In each trial some bursts and eclipses are drawn, injected into the events
(never into cubes), and all runs are searched as for the observation itself. Makes a table of what was
injected (drawn and kept) and a table of what each search found of it.

`inject(events, truth, seed)` is the same for notebooks: any truth, any events.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.seeds import generator
from ephemera.tables import write
from ephemera.xmm.bti import FlareCurve
from ephemera.xmm.connected_regions import Columns
from ephemera.xmm.detector_places import CameraPlaces, photons, places_of
from ephemera.xmm.events_store import read_source_columns
from ephemera.xmm.hot_pixels import HotPixels
from ephemera.xmm.injection import Injection
from ephemera.xmm.injection_columns import FOUND, INJECTIONS
from ephemera.xmm.injection_draw import Sampling, draw, spectrum_of
from ephemera.xmm.injection_match import any_match, found_rows, plane_position
from ephemera.xmm.observation import (
    EPIC,
    SKY_SIZE,
    TOP_EDGE_EV,
    UNIT_ARCSEC,
    XMM,
    BoolArray,
    Camera,
    Events,
    FloatArray,
    Subset,
)
from ephemera.xmm.psf import NOMINAL_PSF, Gaussian, Profile
from ephemera.xmm.search import Searched, in_mode, search, searchable
from ephemera.xmm.selection import LOW_EDGE_EV, legal_pixels
from ephemera.xmm.simulate_scene import RELATIVE_AREA, burst_times
from ephemera.xmm.simulate_spectra import Spectrum
from ephemera.xmm.source_mask import SourceList

if TYPE_CHECKING:
    from ephemera.config.xmm import EventSelection
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: An eclipse of a source that is there takes events out to this radius, arcsec.
ECLIPSE_RADIUS = 60.0
#: The ring whose density is the background of such a source, arcsec.
BACKGROUND_RING = (75.0, 120.0)


@dataclass(frozen=True)
class Injected:
    """Events with what was injected, and the truth: one entry a burst or eclipse in each column.

    `n_drawn` photons were drawn and `n_kept` are among the events; of an eclipse those of its source while it
    lasted, the `n_removed` that it took among those drawn. `events_of` are the photons kept of each.
    """

    subset: Subset
    truth: Columns
    events_of: tuple[Events, ...]


@dataclass(frozen=True)
class _Part:
    """What one injection adds to the events, and which of the real events it removes."""

    added: Events
    removed: BoolArray | None
    n_drawn: int
    n_removed: int


def inject(
    events: Subset,
    truth: Sequence[Injection],
    seed: int,
    *,
    trial: int = 0,
    places: Mapping[Camera, CameraPlaces] | None = None,
    psf: Profile | None = None,
) -> Injected:
    """Inject `truth` into the events of a subset; the same arguments give the same events.

    Counts are Poisson with the fluence as mean, shared by the cameras as their area; a photon that falls
    outside the span, into a gap, on a masked raw pixel or on a CCD that is off is lost, so that the number
    kept is Poisson with the mean fluence x visible fraction. Random numbers depend on `seed`, the obsid,
    `trial` and the number of the injection alone. `places` (see `places_of`) serves many trials.
    """
    places = places_of(events) if places is None else places
    psf = psf_of(events) if psf is None else psf
    obsid = events.header.obsid
    parts = [
        _one(events, item, places, psf, generator(seed, obsid, trial, number))
        for number, item in enumerate(truth)
    ]
    keep = np.ones(len(events.events), np.bool_)
    for part in parts:
        if part.removed is not None:
            keep &= ~part.removed
    real = events.events if keep.all() else events.events.take(keep)
    merged = Events.merge([real, *(part.added for part in parts)]) if parts else real
    return Injected(
        replace(events, events=merged), _truth(events, truth, parts), tuple(part.added for part in parts)
    )


def psf_of(subset: Subset) -> Profile:
    """Profile of the telescope of a subset; that of another mission is the one on its axis."""
    telescope = subset.header.telescope
    return NOMINAL_PSF if telescope is None else Gaussian(telescope.psf_sigma_arcsec)


def _one(
    subset: Subset,
    item: Injection,
    places: Mapping[Camera, CameraPlaces],
    psf: Profile,
    rng: np.random.Generator,
) -> _Part:
    """One burst, one eclipse with its source, or an eclipse of a source that is there."""
    if item.is_eclipse and item.rate is None:
        removed = _eclipsed(subset, item, psf, rng)
        return _Part(Events.empty(), removed, int(removed.sum()), int(removed.sum()))
    drawn, added, hidden = 0, [], 0
    # The cameras of another mission count alike.
    area = {camera: RELATIVE_AREA.get(camera, 1.0) for camera in subset.cameras}
    share = sum(area.values())
    for camera in subset.cameras:
        mean = _expected(subset, item) * area[camera] / share
        number = int(rng.poisson(mean))
        time = _times(subset, item, number, rng)
        drawn += number if not item.is_eclipse else int(_during(item, time).sum())
        made = _photons(subset, item, camera, places.get(camera), psf, time, rng)
        if item.is_eclipse:
            taken = _during(item, made.time) & (rng.random(len(made)) < item.depth)
            hidden += int(taken.sum())
            made = made.take(~taken)
        added.append(made)
    return _Part(Events.merge(added), None, drawn, hidden)


def _expected(subset: Subset, item: Injection) -> float:
    """Mean counts to draw: the fluence of a burst, those of an eclipsed source over the whole span."""
    return (item.rate or 0.0) * subset.span if item.is_eclipse else item.counts


def _times(subset: Subset, item: Injection, number: int, rng: np.random.Generator) -> FloatArray:
    if item.is_eclipse:
        return np.asarray(subset.t0 + subset.span * rng.random(number))
    return burst_times(rng, item.shape, item.start, item.duration, number)  # type: ignore[arg-type]


def _during(item: Injection, time: FloatArray) -> BoolArray:
    return np.asarray((time >= item.start) & (time < item.stop))


def _photons(
    subset: Subset,
    item: Injection,
    camera: Camera,
    places: CameraPlaces | None,
    psf: Profile,
    time: FloatArray,
    rng: np.random.Generator,
) -> Events:
    """Photons of an injection in one camera that a search would see."""
    number = len(time)
    dx, dy = psf.offsets(rng, number)
    centre_x, centre_y = plane_position(subset, item.ra, item.dec)
    pi = item.spectrum.draw(rng, number)
    if places is None or not number:
        return Events.empty()
    x, y = centre_x + dx / UNIT_ARCSEC, centre_y + dy / UNIT_ARCSEC
    good = (time >= subset.t0) & (time <= subset.t1) & (pi >= LOW_EDGE_EV) & (pi <= TOP_EDGE_EV)
    good &= (np.rint(x) >= 1) & (np.rint(x) <= SKY_SIZE) & (np.rint(y) >= 1) & (np.rint(y) <= SKY_SIZE)
    x, y, time, pi = x[good], y[good], time[good], pi[good]
    return photons(camera, places.land(x, y, time), time, x, y, pi)


def _eclipsed(subset: Subset, item: Injection, psf: Profile, rng: np.random.Generator) -> BoolArray:
    """Which events an eclipse of the source at this place removes.

    An event at distance r is of the source with the probability S p(r) / (S p(r) + b): S the counts of the
    source, within 60 arcsec above b, the density of events in a ring around; p the point spread function.
    """
    events = subset.events
    x, y = plane_position(subset, item.ra, item.dec)
    distance = np.hypot(events.x - x, events.y - y) * UNIT_ARCSEC
    near = distance < ECLIPSE_RADIUS
    inner, outer = BACKGROUND_RING
    in_ring = np.count_nonzero((distance >= inner) & (distance < outer))
    background = in_ring / (np.pi * (outer**2 - inner**2))
    total = np.count_nonzero(near) - background * np.pi * ECLIPSE_RADIUS**2
    source = max(0.0, total) / float(psf.encircled_energy(ECLIPSE_RADIUS)) * psf.density(distance[near])
    chance = np.zeros(len(events))
    chance[near] = source / np.maximum(source + background, np.finfo(float).tiny)
    during = _during(item, events.time)
    return np.asarray(during & (rng.random(len(events)) < chance * item.depth))


def _truth(subset: Subset, truth: Sequence[Injection], parts: Sequence[_Part]) -> Columns:
    """Columns of the truth, see `injection_columns.INJECTIONS`."""
    plane = [plane_position(subset, item.ra, item.dec) for item in truth]
    columns: Columns = {"id": np.arange(len(truth), dtype=np.int32)}
    for name in ("ra", "dec", "t_peak", "duration", "depth"):
        columns[name] = np.array([getattr(item, name) for item in truth], dtype=np.float64)
    columns["x"], columns["y"] = np.array(plane, dtype=np.float64).reshape(-1, 2).T
    columns["t_start"] = np.array([item.start for item in truth], dtype=np.float64)
    columns["t_stop"] = np.array([item.stop for item in truth], dtype=np.float64)
    columns["shape"] = np.array([item.shape for item in truth], dtype=object)
    columns["kind"] = np.array(["eclipse" if i.is_eclipse else "peak" for i in truth], dtype=object)
    columns["fluence"] = np.array([item.counts for item in truth], dtype=np.float64)
    rates = [item.counts / item.duration if item.rate is None else item.rate for item in truth]
    columns["rate"] = np.array(rates, dtype=np.float64)
    columns["n_drawn"] = np.array([part.n_drawn for part in parts], dtype=np.int64)
    columns["n_kept"] = np.array(
        [
            int(_during(item, part.added.time).sum()) if item.is_eclipse else len(part.added)
            for item, part in zip(truth, parts, strict=True)
        ],
        dtype=np.int64,
    )
    columns["n_removed"] = np.array([part.n_removed for part in parts], dtype=np.int64)
    for camera in EPIC:
        counts = [int((part.added.camera == camera).sum()) for part in parts]
        columns[f"n_{camera.name.lower()}"] = np.array(counts, dtype=np.int64)
    return columns


def legal_pixels_of(subset: Subset, selection: EventSelection) -> dict[Camera, BoolArray]:
    """Tables of the raw pixels whose events the options keep, by camera.

    Hot pixels that were found in the events themselves are not among the forbidden ones.
    """
    hot = HotPixels.from_csv(selection.hot_pixels) if selection.hot_pixels else None
    tables = {}
    for header in subset.headers:
        if header.mission != XMM:
            continue
        strict = selection.strict_revolutions
        bad = hot.lookup(header.camera, header.revolution, strict=strict) if hot is not None else None
        tables[header.camera] = legal_pixels(header.camera, header.submode, bad)
    return tables


@dataclass
class Trials:
    """Trials on one subset: its search without injections, its detector, and what was learnt so far."""

    subset: Subset
    sources: SourceList
    curves: Sequence[FlareCurve]
    options: Any
    places: Mapping[Camera, CameraPlaces]
    untouched: Mapping[str, Sequence[Searched]]
    spectrum: Spectrum
    sampling: Sampling

    @classmethod
    def of(
        cls,
        subset: Subset,
        sources: SourceList,
        curves: Sequence[FlareCurve],
        options: Any,
        spectrum: Spectrum,
    ) -> Trials:
        """Search the subset as it is, in every way that the options ask for."""
        untouched = {
            mode: search(subset, sources, in_mode(options, mode), curves=curves)
            for mode in options.inject.modes
        }
        places = places_of(subset, legal_pixels_of(subset, options.events))
        return cls(subset, sources, curves, options, places, untouched, spectrum, Sampling())

    def run(self, trial: int, seed: int) -> tuple[Columns, list[dict[str, Any]]]:
        """Truth of one trial and rows of what every search found of it."""
        settings, radius = self.options.inject, self.options.recover.radius_arcsec
        drawn = draw(self.subset, settings, self.spectrum, trial, seed, self.sampling)
        items = [item for item, _ in drawn]
        injected = inject(self.subset, items, seed, trial=trial, places=self.places)
        rows: list[dict[str, Any]] = []
        for mode in settings.modes:
            options = in_mode(self.options, mode)
            searched = search(injected.subset, self.sources, options, curves=self.curves)
            masks = {one.key: one.run.expectation.mask for one in self.untouched[mode]}
            found = found_rows(
                searched, items, injected.events_of, options, radius, masks=masks, measure=mode == "main"
            )
            before = [any_match(self.untouched[mode], item, radius) for item in items]
            for row in found:
                run = (row["t_bin"], *(round(1000 * row[edge]) for edge in ("e_min", "e_max")))
                rows.append(row | {"mode": mode, "by_chance": run in before[row["id"]]})
        first = [row for row in rows if row["mode"] == settings.modes[0] and row["found"]]
        self.sampling.learn(items, [any(row["id"] == k for row in first) for k in range(len(items))])
        truth = injected.truth | {"adaptive": np.array([adapted for _, adapted in drawn], dtype=np.bool_)}
        return truth, rows


def main(job: Job) -> None:
    """Write the truth of all trials of one observation, and what every search found of it."""
    options, settings = job.settings, job.settings.inject
    obsid: str = job.wildcards.obsid
    sources = read_source_columns(job.input.events)
    name, spectrum = spectrum_of(settings)
    subsets = list(searchable(job.input.events, options))
    states: dict[int, Trials] = {}
    truths: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for trial in range(settings.trials if subsets else 0):
        subset, curves = subsets[trial % len(subsets)]
        if subset.number not in states:
            states[subset.number] = Trials.of(subset, sources, curves, options, spectrum)
        truth, found = states[subset.number].run(trial, options.seed)
        key = {"obsid": obsid, "subset": subset.number, "trial": trial}
        named = truth | {"off_axis": subset.header.off_axis_arcmin(truth["ra"], truth["dec"])}
        truths += [
            key | {"spectrum": name} | {column: values[k] for column, values in named.items()}
            for k in range(len(truth["id"]))
        ]
        rows += [key | row for row in found]
        log.info("%s trial %d: %d injected", obsid, trial, len(truth["id"]))
    write(truths, INJECTIONS, job.output.injections)
    write(rows, FOUND, job.output.found)
