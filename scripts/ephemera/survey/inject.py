"""Put events of known shape into the light curves of a batch, and see what the search makes of them.

Reads the reduced light curves and the sources of a batch. Every injected light curve goes through the same
quality check, finder and features as real ones, with its statistics computed anew. Makes the tables of
injections (truth and outcome), of the detections that are not those of the untouched light curve, marked
as simulated, and of features; nothing real is altered.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ephemera.seeds import generator
from ephemera.survey.columns import DETECTION, FAILURE, INJECTION
from ephemera.survey.curve_files import read_curves
from ephemera.survey.describing import Extractor, feature_table
from ephemera.survey.injection import (
    Span,
    Truth,
    draw,
    inject,
    is_real,
    number_of_injections,
    recovers,
    truth_row,
)
from ephemera.survey.judging import Search, Searched, detection_rows, search_curve, search_of
from ephemera.survey.light_curve import DAY, LightCurve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.plugins import check_failures, simulator_of
from ephemera.tables import write

if TYPE_CHECKING:
    import numpy as np

    from ephemera.config.survey import Inject as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Injected:
    """One injection: its row, the detections that are due to it, the light curve as searched."""

    row: Mapping[str, Any]
    detections: Sequence[Mapping[str, Any]]
    searched: Searched


def spans(searched: Searched) -> list[Span]:
    """The events of a searched light curve, without the light curve."""
    mjd = searched.curve.mjd
    return [
        Span(event.sign, event.rows, float(mjd[event.rows[0]]), float(mjd[event.rows[-1]]))
        for event in searched.events
    ]


def try_injection(
    original: Searched, truth: Truth, injected: LightCurve, search: Search, identifier: str, mag: float | None
) -> Injected:
    """Search an injected light curve; what was there before does not count."""
    searched = search_curve(injected, search)
    real = spans(original)
    found = list(zip(spans(searched), detection_rows(searched, search, identifier), strict=True))
    new = [(span, row) for span, row in found if not is_real(span, real)]
    cadence = original.curve.cadence / DAY
    hits = [row for span, row in new if recovers(span, truth, cadence)]
    best = max(hits, key=lambda row: abs(row["score"] or 0.0), default=None)
    row = truth_row(truth, original.curve, identifier, mag, best["id"] if best else None)
    return Injected(row, [row for _, row in new], searched)


class Injector:
    """Injections into the light curves of one survey."""

    def __init__(self, settings: Any, survey: str, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.settings: Settings = settings
        self.survey, self.rows = survey, rows
        self.real = search_of(settings, survey, rows)
        self.search = search_of(settings, survey, rows, sim=True)
        self.simulate = simulator_of(settings)
        self.gain = getattr(settings.gain, survey, None)

    def source(self, name: str, curves: Sequence[LightCurve]) -> list[Injected]:
        """All injections of one source. Raises SourceError when a plug-in fails."""
        n = number_of_injections(self.settings.seed, name, self.survey, self.settings.n_per_source)
        if n == 0:
            return []
        searched = [search_curve(curve, self.real) for curve in curves]
        mag = self.rows.get(name, {}).get("mag")
        found = []
        for number in range(n):
            rng = generator(self.settings.seed, "survey.inject", name, self.survey, number)
            drawn = self._drawn(rng, searched)
            if drawn is None:
                break
            which, truth, injected = drawn
            identifier = f"{name}:{self.survey}:{number}"
            found.append(try_injection(searched[which], truth, injected, self.search, identifier, mag))
        return found

    def _drawn(
        self, rng: np.random.Generator, searched: Sequence[Searched]
    ) -> tuple[int, Truth, LightCurve] | None:
        """Number of a light curve, an event, and the light curve with the event in it."""
        if self.simulate is None:
            drawn = draw(rng, [(s.curve, s.scores) for s in searched], self.settings)
            if drawn is None:
                return None
            which, truth = drawn
            original = searched[which]
            return which, truth, inject(original.curve, original.scores.mean, truth, self.gain)
        usable = [k for k, s in enumerate(searched) if s.curve.usable.any()]
        if not usable:
            return None
        which = usable[int(rng.integers(len(usable)))]
        curve = searched[which].curve
        truth, flux = self.simulate(rng, curve)
        return which, truth, curve.with_flux(flux, curve.flux_err)


def main(job: Job) -> None:
    """Inject into one batch of one survey."""
    rows = {row["name"]: row for row in read_table(job.input.batch).to_pylist()}
    injector = Injector(job.settings, job.wildcards.survey, rows)
    extractor = Extractor(job.settings.library)
    by_source: dict[str, list[LightCurve]] = defaultdict(list)
    for curve in read_curves(job.input.curves):
        by_source[curve.source].append(curve)
    injected: list[Injected] = []
    failures: list[dict[str, str]] = []
    for name, curves in sorted(by_source.items()):
        try:
            injected += injector.source(name, curves)
        except SourceError as error:
            log.warning("%s: %s", name, error)
            survey = job.wildcards.survey
            failures.append({"source": name, "survey": survey, "reason": f"injection: {error}"})
    told = [f"{failure['source']}: {failure['reason']}" for failure in failures]
    check_failures("sources", told, len(by_source), job.settings.max_failures)
    write(table_of_rows(FAILURE, failures), FAILURE, job.output.failures)
    write_table(table_of_rows(INJECTION, [i.row for i in injected]), "injection", job.output.injections)
    detections = [row for i in injected for row in i.detections]
    write_table(table_of_rows(DETECTION, detections), "detection", job.output.detections)
    features = feature_table(
        [i.searched.curve for i in injected],
        [[event.sign for event in i.searched.events] for i in injected],
        extractor,
        injections=[i.row["id"] for i in injected],
    )
    write_table(features, "features", job.output.features)
    n = sum(bool(i.row["recovered"]) for i in injected)
    log.info("%d injections, %d recovered", len(injected), n)
