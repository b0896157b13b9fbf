"""Changes from night to night, young objects, and moving ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Property, Tag, Verdict
from ephemera.alerts.filters.locus import LightCurve, Locus
from ephemera.alerts.filters.moments import BoolArray, Moments
from ephemera.alerts.outcomes import Kind
from ephemera.sky.sphere import angle_arcsec, unit_vectors

#: A weighted mean of magnitudes may leave their span by less than this.
_ROUNDING_MAG = 1e-6


class NightlyBrightening(Filter):
    """Weighted mean of this night brighter than that of the last night with data by 0.5 mag and 5 sigma."""

    name = "nightly_brightening"
    description = "Brighter than on the night before, in one band"
    known_options = ("brightening_mag", "sigma")
    required_fields = ("mag", "mag_err")
    min_detections = 2
    output_tags = (Tag("nightly_brightening", "Brighter by 0.5 mag and 5 sigma than the night before"),)
    output_properties = (Property("brightening_mag", float, "mag", "Brightening since the night before"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Thresholds."""
        self.mag, self.sigma = config.get("brightening_mag", 0.5), config.get("sigma", 5.0)

    def screen(self, moments: Moments) -> BoolArray:
        """Where magnitudes of two nights span the threshold: means lie between the extremes."""
        mag, nights = moments.detections("mag"), moments.columns.array("night")
        span = moments.largest(mag) - moments.smallest(mag)
        return np.asarray(
            (moments.smallest(nights) < moments.newest("night")) & (span >= self.mag - _ROUNDING_MAG)
        )

    def run(self, locus: Locus) -> Verdict | None:
        """Compare weighted means of two nights."""
        curve = locus.light_curve(locus.newest.band)
        good = (curve.mag_err > 0) & np.isfinite(curve.mag)
        tonight = good & (curve.night == locus.newest.night)
        earlier = good & (curve.night < locus.newest.night)
        if not tonight.any() or not earlier.any():
            return None
        before = earlier & (curve.night == curve.night[earlier].max())
        now, now_var = _weighted(curve, tonight)
        then, then_var = _weighted(curve, before)
        rise = then - now
        if rise >= self.mag and rise >= self.sigma * np.sqrt(now_var + then_var):
            return Verdict(["nightly_brightening"], {"brightening_mag": float(rise)})
        return None


def _weighted(curve: LightCurve, chosen: Any) -> tuple[float, float]:
    """Weighted mean of magnitudes and its variance."""
    weight = 1 / curve.mag_err[chosen] ** 2
    return float(np.sum(weight * curve.mag[chosen]) / weight.sum()), float(1 / weight.sum())


class Young(Filter):
    """First detection less than 5 d ago, and a limit fainter by 0.5 mag within 5 d before it."""

    name = "young"
    description = "Seen for less than five days, and not seen shortly before"
    known_options = ("age_d", "gap_d", "depth_mag")
    required_fields = ("mag",)
    min_detections = 1
    output_tags = (Tag("young", "First detected less than 5 d ago, with a deep limit shortly before"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Thresholds."""
        self.age, self.gap = config.get("age_d", 5.0), config.get("gap_d", 5.0)
        self.depth = config.get("depth_mag", 0.5)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the first detection is young enough, and there is a limit at all."""
        known = np.isfinite(moments.detections("mag"))
        first = moments.smallest(np.where(known, moments.columns.array("mjd_utc"), np.nan))
        limits = moments.count(moments.columns.array("kind") == Kind.LIMIT)
        return np.asarray((moments.newest("mjd_utc") - first < self.age) & (limits > 0))

    def run(self, locus: Locus) -> Verdict | None:
        """Tag when both hold."""
        seen, limits = locus.light_curve(), locus.light_curve(kind=Kind.LIMIT)
        known = np.isfinite(seen.mag)
        if not known.any() or locus.newest.mjd_utc - seen.mjd[known][0] >= self.age:
            return None
        first, mag = seen.mjd[known][0], seen.mag[known][0]
        before = (limits.mjd < first) & (limits.mjd >= first - self.gap) & (limits.maglim >= mag + self.depth)
        return Verdict(["young"]) if before.any() else None


class MovingObject(Filter):
    """A named asteroid, a known one within 5", or two detections of a night joined by a fitting motion."""

    name = "moving_object"
    description = "A solar-system object"
    known_options = ("within_arcsec", "slowest", "fastest", "radius_arcsec")
    output_tags = (Tag("moving_object", "Known, or moving at 0.05-100 arcsec/min within a night"),)
    output_properties = (
        Property("motion", float, "arcsec/min", "Motion between two detections of the night"),
    )

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Limits."""
        self.within = config.get("within_arcsec", 5.0)
        self.slowest, self.fastest = config.get("slowest", 0.05), config.get("fastest", 100.0)
        self.radius = config.get("radius_arcsec", 2.0)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the newest alert has a name or a known object, or a night has two detections."""
        distance = moments.newest("extra.ssdistnr")
        named = moments.columns.known("ss_id")[moments.row]
        own = moments.columns.segment_of_rows() * 1e7 + moments.detections("night")
        _, which, number = np.unique(own, return_inverse=True, return_counts=True)
        twice = number[which][moments.row] > 1
        return np.asarray(named | ((distance >= 0) & (distance < self.within)) | twice)

    def run(self, locus: Locus) -> Verdict | None:
        """Tag by name, by distance, or by motion."""
        distance = locus.newest.field("ssdistnr")
        if locus.newest.ss_id is not None or (distance is not None and 0 <= distance < self.within):
            return Verdict(["moving_object"])
        motion = self.motion(locus)
        return None if motion is None else Verdict(["moving_object"], {"motion": motion})

    def motion(self, locus: Locus) -> float | None:
        """Motion from an earlier detection of the night that is farther away than the radius, arcsec/min."""
        if locus.newest.kind != Kind.DETECTION:
            return None
        columns = [locus.values(name) for name in ("ra", "dec", "mjd_utc", "night")]
        rows = [row for row in zip(*columns, strict=True) if row[3] == locus.newest.night]
        if len(rows) < 2:
            return None
        vectors = unit_vectors([r[0] for r in rows], [r[1] for r in rows])
        apart = angle_arcsec(np.linalg.norm(vectors[:-1] - vectors[-1], axis=1))
        minutes = (rows[-1][2] - np.array([r[2] for r in rows[:-1]])) * 1440
        with np.errstate(divide="ignore", invalid="ignore"):
            speed = apart / minutes
        good = (apart > self.radius) & (minutes > 0) & (speed >= self.slowest) & (speed <= self.fastest)
        return float(speed[good][-1]) if good.any() else None
