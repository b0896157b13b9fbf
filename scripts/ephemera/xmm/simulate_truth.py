"""What a simulated observation really contains: the answer against which a search is judged."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemera.files import write_text
from ephemera.xmm.observation import EPIC
from ephemera.xmm.simulate_fits import write_bytes

#: First and last revolution in which simulated hot pixels are bad.
HOT_FROM, HOT_UNTIL = 100, 10000


@dataclass(frozen=True)
class ListTruth:
    """One event list: file name, camera, rows, rows a standard selection keeps, start and stop (s)."""

    file: str
    camera: str
    exposure_id: str
    rows: int
    kept: int
    start: float
    stop: float


@dataclass(frozen=True)
class ItemTruth:
    """A source or burst: where, when (s since MJDREF; the whole span for sources), what was asked, what came.

    `asked`: expected counts over all cameras; `drawn`: Poisson counts; `written`: events in the files
    (gaps, masks, off-time and eclipses took the others); `kept`: those in place that a standard selection
    keeps; `out_of_time`: written, but spread along the readout; `kept_by_camera` splits `kept`.
    """

    id: int
    ra: float
    dec: float
    x: float
    y: float
    start: float
    stop: float
    asked: float
    drawn: int
    written: int
    kept: int
    out_of_time: int
    kept_by_camera: Mapping[str, int]
    shape: str
    extent: float


@dataclass(frozen=True)
class EclipseTruth:
    """An eclipse: its source, interval (s since MJDREF), depth, and the photons it took."""

    id: int
    source: int
    ra: float
    dec: float
    x: float
    y: float
    start: float
    stop: float
    depth: float
    removed: int


@dataclass(frozen=True)
class FlareTruth:
    """A background flare: interval (s since MJDREF) and mean rate over all cameras (ct/s)."""

    start: float
    stop: float
    rate: float


@dataclass(frozen=True, order=True)
class HotPixelTruth:
    """A raw pixel that is bright in every frame."""

    camera: str
    ccd: int
    rawx: int
    rawy: int


@dataclass(frozen=True)
class Truth:
    """Everything put into one observation; [`t0`, `t1`] is the span common to its default exposures."""

    obsid: str
    seed: int
    revolution: int
    t0: float
    t1: float
    reference_ra: float
    reference_dec: float
    position_angle: float
    lists: tuple[ListTruth, ...]
    sources: tuple[ItemTruth, ...]
    bursts: tuple[ItemTruth, ...]
    eclipses: tuple[EclipseTruth, ...]
    flares: tuple[FlareTruth, ...]
    hot_pixels: tuple[HotPixelTruth, ...]

    @property
    def rows(self) -> int:
        """Rows of all event lists."""
        return sum(item.rows for item in self.lists)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, texts, lists and mappings."""
        return asdict(self)

    def to_json(self) -> str:
        """The truth as JSON text; numbers keep all their digits."""
        return json.dumps(self.as_dict(), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Truth:
        """The inverse of `to_json`."""
        data = json.loads(text)
        for name, kind in _TABLES.items():
            data[name] = tuple(kind(**row) for row in data[name])
        return cls(**data)


_TABLES: Mapping[str, Any] = {
    "lists": ListTruth, "sources": ItemTruth, "bursts": ItemTruth, "eclipses": EclipseTruth,
    "flares": FlareTruth, "hot_pixels": HotPixelTruth,
}  # fmt: skip


def write_truth(path: str | os.PathLike[str], truth: Truth) -> None:
    """Write one truth as JSON."""
    write_text(path, truth.to_json())


def read_truth(path: str | os.PathLike[str]) -> Truth:
    """Read what `write_truth` wrote."""
    return Truth.from_json(Path(path).read_text(encoding="utf-8"))


def write_hot_pixel_tables(folder: str | os.PathLike[str], truths: Iterable[Truth]) -> list[Path]:
    """Write hotpix_PN.csv, hotpix_M1.csv and hotpix_M2.csv with RAWX, RAWY, CCDNR, REV1, REV2.

    Besides the simulated hot pixels each table has a row for a pixel that recovered before any simulated
    revolution, which must not be applied.
    """
    truths, paths = list(truths), []
    for camera in EPIC:
        pixels = {(p.ccd, p.rawx, p.rawy) for t in truths for p in t.hot_pixels if p.camera == camera.name}
        lines = [f"{x},{y},{ccd},{HOT_FROM},{HOT_UNTIL}" for ccd, x, y in sorted(pixels)]
        text = "\n".join(["RAWX,RAWY,CCDNR,REV1,REV2", "30,100,1,0,50", *lines]) + "\n"
        paths.append(write_bytes(Path(folder) / f"hotpix_{camera.name}.csv", text.encode()))
    return paths
