"""Watch lists: circles, polygons and coverage maps of a user; and lists that change with time.

A list is a CSV with a header: `name, ra, dec, radius_arcsec`, or `name, polygon` with "ra dec ra dec ..."
in degrees; a dynamic list also has `begin_mjd, end_mjd, version`. A coverage map is a MOC in FITS or JSON.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Property, RequirementMissingError, Tag, Verdict
from ephemera.alerts.filters.locus import Locus
from ephemera.sky.sphere import angle_arcsec, chord, unit_vectors


@dataclass(frozen=True)
class Region:
    """A circle, or a polygon with vertices (n, 3) as unit vectors, watched from `begin` to `end` (MJD)."""

    name: str
    centre: Any
    radius_arcsec: float
    polygon: Any = None
    begin: float = -np.inf
    end: float = np.inf
    version: str = ""

    def holds(self, vector: Any) -> bool:
        """Whether a unit vector is inside."""
        apart = float(angle_arcsec(np.linalg.norm(self.centre - vector)))
        if self.polygon is None or apart > self.radius_arcsec:
            return apart <= self.radius_arcsec
        return _winds_around(self.polygon, vector)


def _winds_around(polygon: Any, vector: Any) -> bool:
    """Whether the directions to a polygon's vertices turn once around the point."""
    east = np.cross([0.0, 0.0, 1.0] if abs(vector[2]) < 0.9 else [1.0, 0.0, 0.0], vector)
    east = east / np.linalg.norm(east)
    azimuth = np.arctan2(polygon @ np.cross(vector, east), polygon @ east)
    steps = np.diff(np.append(azimuth, azimuth[0]))
    steps = (steps + np.pi) % (2 * np.pi) - np.pi
    return bool(abs(steps.sum()) > np.pi)


def read_regions(path: Path) -> list[Region]:
    """Regions of a list. Raises ValueError that names file, line and column."""
    regions = []
    with path.open(encoding="utf-8-sig", newline="") as handle:
        for line, row in enumerate(csv.DictReader(handle), 2):
            try:
                regions.append(_region({k.strip(): (v or "").strip() for k, v in row.items() if k}))
            except (KeyError, ValueError) as error:
                message = f"watch list {path}, line {line}: {error}; columns are name, ra, dec, radius_arcsec"
                raise ValueError(message) from None
    return regions


def _region(row: Mapping[str, str]) -> Region:
    times = {
        "begin": float(row.get("begin_mjd") or -np.inf),
        "end": float(row.get("end_mjd") or np.inf),
        "version": row.get("version", ""),
    }
    if row.get("polygon"):
        numbers = np.array(row["polygon"].split(), float).reshape(-1, 2)
        vertices = unit_vectors(numbers[:, 0], numbers[:, 1])
        centre = vertices.sum(axis=0) / np.linalg.norm(vertices.sum(axis=0))
        radius = float(angle_arcsec(np.linalg.norm(vertices - centre, axis=1)).max())
        return Region(row["name"], centre, radius, vertices, **times)  # type: ignore[arg-type]
    centre = unit_vectors(float(row["ra"]), float(row["dec"]))
    return Region(row["name"], centre, float(row["radius_arcsec"]), None, **times)  # type: ignore[arg-type]


class _Regions:
    """Regions, found fast by a tree of their centres."""

    def __init__(self, regions: list[Region]) -> None:
        from scipy.spatial import cKDTree

        self.regions = regions
        self.tree = cKDTree(np.array([r.centre for r in regions])) if regions else None
        self.reach = max((r.radius_arcsec for r in regions), default=0.0)

    def around(self, ra: float, dec: float) -> list[Region]:
        """Regions that hold a position."""
        if self.tree is None:
            return []
        vector = unit_vectors(ra, dec)
        near = self.tree.query_ball_point(vector, chord(min(self.reach, 6.4e5)) * (1 + 1e-9))
        return [self.regions[k] for k in sorted(near) if self.regions[k].holds(vector)]


class WatchStatic(Filter):
    """Inside a region of the list."""

    name = "watch_static"
    description = "Inside a region of the watch list"
    known_options = ()
    output_tags = (Tag("watch_static", "Inside a region of the user's watch list"),)
    output_properties = (Property("watch_static_name", str, None, "Name of the first region"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Read list and coverage map."""
        path, moc = files.get("list"), files.get("moc")
        if path is None and moc is None:
            message = "file alerts.filter.files.watch_static: list or moc"
            raise RequirementMissingError(message)
        self.regions = _Regions(read_regions(path) if path else [])
        self.moc: Any = None
        if moc is not None:
            from mocpy import MOC

            self.moc = MOC.load(str(moc), format="json" if moc.suffix == ".json" else "fits")

    def run(self, locus: Locus) -> Verdict | None:
        """Tag by the mean position."""
        found = self.regions.around(locus.ra, locus.dec)
        if found:
            return Verdict(["watch_static"], {"watch_static_name": found[0].name})
        if self.moc is not None and self._in_moc(locus):
            return Verdict(["watch_static"], {"watch_static_name": "moc"})
        return None

    def _in_moc(self, locus: Locus) -> bool:
        from astropy import units

        inside = self.moc.contains_lonlat([locus.ra] * units.deg, [locus.dec] * units.deg)
        return bool(inside[0])


class WatchDynamic(Filter):
    """Inside a region while it is watched; regions that are new tonight are also held against the past."""

    name = "watch_dynamic"
    description = "Inside a region of a list that changes with time"
    known_options = ("search_back_d",)
    output_tags = (Tag("watch_dynamic", "Inside a region of a list with begin and end"),)
    output_properties = (
        Property("watch_dynamic_name", str, None, "Name of the first region"),
        Property("watch_dynamic_version", str, None, "Version of its entry"),
    )

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Read the list."""
        path = files.get("list")
        if path is None:
            message = "file alerts.filter.files.watch_dynamic: list"
            raise RequirementMissingError(message)
        self.listed = read_regions(path)
        self.regions = _Regions(self.listed)
        self.back = config.get("search_back_d", 30.0)

    def run(self, locus: Locus) -> Verdict | None:
        """Tag when the newest alert falls into the time of a region."""
        time = locus.newest.mjd_utc
        found = [r for r in self.regions.around(locus.ra, locus.dec) if r.begin <= time <= r.end]
        return self._verdict(found[0]) if found else None

    def _verdict(self, region: Region) -> Verdict:
        names = {"watch_dynamic_name": region.name, "watch_dynamic_version": region.version}
        return Verdict(["watch_dynamic"], names)

    def new_regions(self, after: float, until: float) -> list[Region]:
        """Regions whose time begins in (after, until], MJD."""
        return [region for region in self.listed if after < region.begin <= until]

    def past(self, region: Region, ra: float, dec: float, mjd_last: float) -> Verdict | None:
        """Verdict on a locus of the last days before a region began."""
        recent = region.begin - self.back <= mjd_last < region.begin
        return self._verdict(region) if recent and region.holds(unit_vectors(ra, dec)) else None
