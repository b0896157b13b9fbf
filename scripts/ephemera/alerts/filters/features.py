"""Light-curve features by band, and how odd they are: an isolation forest trained on the night before.

Features are those of the `light-curve` package, with a fill value where a curve is too short. Both filters
need packages that are optional; where one is absent the filter is skipped, and the report says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Property, RequirementMissingError, Verdict
from ephemera.alerts.filters.locus import LightCurve, Locus

#: Features of one band, by the name of their extractor.
EXTRACTORS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("Amplitude", ()), ("BeyondNStd", (1.0,)), ("Cusum", ()), ("Eta", ()), ("InterPercentileRange", (0.25,)),
    ("Kurtosis", ()), ("LinearTrend", ()), ("MaximumSlope", ()), ("Mean", ()), ("Median", ()),
    ("MedianAbsoluteDeviation", ()), ("ObservationCount", ()), ("ReducedChi2", ()), ("Skew", ()),
    ("StandardDeviation", ()), ("StetsonK", ()), ("WeightedMean", ()),
)  # fmt: skip
BANDS = ("ztf_g", "ztf_r", "ztf_i", *(f"lsst_{b}" for b in "ugrizy"), "atlas_c", "atlas_o", "sim_V", "sim_I")
#: Value of a feature that a curve is too short for.
FILL = 0.0


def optional(module: str, package: str) -> Any:
    """Import a package that not everyone has. Raises RequirementMissingError."""
    try:
        return import_module(module)
    except ImportError:
        message = f"package {package}"
        raise RequirementMissingError(message) from None


def extractor() -> Any:
    """All features of one band in one call."""
    package = optional("light_curve", "light-curve")
    return package.Extractor(*(getattr(package, name)(*arguments) for name, arguments in EXTRACTORS))


def features_of(curve: LightCurve, extract: Any) -> dict[str, float]:
    """Features of a band: sorted in time, equal times averaged, values that are not finite left out."""
    good = np.isfinite(curve.mag) & np.isfinite(curve.mjd)
    time, place = np.unique(curve.mjd[good], return_inverse=True)
    if len(time) == 0:
        return {}
    number = np.bincount(place)
    mag = np.bincount(place, curve.mag[good]) / number
    error = np.where(curve.mag_err[good] > 0, curve.mag_err[good], np.nan)
    sigma = np.bincount(place, np.nan_to_num(error, nan=0.1)) / number
    values = extract(time, mag, sigma, sorted=True, check=False, fill_value=FILL)
    return {
        name: float(v) if math.isfinite(v) else FILL for name, v in zip(extract.names, values, strict=True)
    }


class FeatureExtract(Filter):
    """Features of each band, and colours of mean fluxes where both are positive."""

    name = "feature_extract"
    description = "Light-curve features by band, colours of mean flux"
    known_options = ("feature_bands",)
    min_detections = 1

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Make the extractor, and declare its outputs."""
        self.extract = extractor()
        bands = tuple(config.get("feature_bands", BANDS))
        self.colour_pairs = [(a, b) for a, b in pairwise(bands) if a[:3] == b[:3]]
        self.output_properties = (
            *(
                Property(f"feat_{band}_{name}", float, None, f"{name} in {band}")
                for band in bands
                for name in self.extract.names
            ),
            *(Property(f"colour_{a}_{b}", float, "mag", f"{a} - {b}") for a, b in self.colour_pairs),
        )
        self.known_bands = frozenset(bands)

    def run(self, locus: Locus) -> Verdict | None:
        """Features of all bands with a detection."""
        found: dict[str, float] = {}
        mean: dict[str, float] = {}
        for band in sorted(set(locus.values("band")) & self.known_bands):
            curve = locus.light_curve(band)
            found |= {f"feat_{band}_{name}": v for name, v in features_of(curve, self.extract).items()}
            mean[band] = float(np.mean(curve.flux)) if len(curve) else math.nan
        for a, b in self.colour_pairs:
            if mean.get(a, 0) > 0 and mean.get(b, 0) > 0:
                found[f"colour_{a}_{b}"] = -2.5 * math.log10(mean[a] / mean[b])
        return Verdict((), found)


class Anomaly(Filter):
    """Isolation forest on the features: 300 trees, seeded, medians for what is missing."""

    name = "anomaly"
    description = "How odd the features are among those of the night before"
    known_options = ("trees", "seed", "fewest")
    order_after = ("feature_extract",)
    output_properties = (
        Property("anomaly_score", float, None, "Larger is odder; 0.5 is common"),
        Property("anomaly_rank", int, None, "1 is the oddest of the night"),
    )

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Prepare the forest."""
        self.ensemble = optional("sklearn.ensemble", "scikit-learn")
        self.trees, self.seed = config.get("trees", 300), config.get("seed", 0)
        self.fewest = config.get("fewest", 10)
        self.forest: Any = None
        self.columns: list[str] = []

    def train(self, before: Sequence[Mapping[str, Any]]) -> None:
        """Train on the properties of the loci of the night before."""
        self.columns = sorted(
            {name for row in before for name in row if name.startswith(("feat_", "colour_"))}
        )
        rows = [row for row in before if any(name in row for name in self.columns)]
        if len(rows) < self.fewest:
            return
        table = self._matrix(rows)
        with np.errstate(invalid="ignore"):
            self.medians = np.array(
                [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else 0.0 for c in table.T]
            )
        forest = self.ensemble.IsolationForest(n_estimators=self.trees, random_state=self.seed, n_jobs=1)
        self.forest = forest.fit(np.where(np.isfinite(table), table, self.medians))

    def _matrix(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        return np.array([[row.get(name, np.nan) for name in self.columns] for row in rows], float)

    def score_many(self, rows: Sequence[Mapping[str, Any]]) -> list[float]:
        """Scores of loci by their properties: one call for all, because each costs as much as many."""
        if self.forest is None or not rows:
            return []
        table = self._matrix(rows)
        return [
            float(-s) for s in self.forest.score_samples(np.where(np.isfinite(table), table, self.medians))
        ]

    def run(self, locus: Locus) -> Verdict | None:  # noqa: ARG002
        """Nothing yet: scores are given to all loci of the night together, by `finish`."""
        return None

    def finish(self, properties: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, float | int]]:
        """Score and rank of each locus of the night that has features."""
        names = sorted(n for n, row in properties.items() if any(c in row for c in self.columns))
        scores = self.score_many([properties[name] for name in names])
        order = sorted(zip(scores, names, strict=False), key=lambda pair: (-pair[0], pair[1]))
        return {name: {"anomaly_score": s, "anomaly_rank": k} for k, (s, name) in enumerate(order, 1)}
