"""Draw a whole sample: the sky, the detectors, histograms, thresholds, catalogues beside it.

Reads the catalogue and the hot regions and, as far as a run made them, matches, subsets compared and types.
Makes one folder a project with the figures and `captions.json` (section, file, caption of each, in order),
from which the report takes them. A figure that has nothing to show is left out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyarrow.parquet as pq

from ephemera.figures.style import figure, save
from ephemera.tables import arrays, read
from ephemera.xmm import sample_catalogues, sample_numbers, sample_sky
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.crossmatch_columns import CHANCE
from ephemera.xmm.crossmatch_presets import GAIA
from ephemera.xmm.detector_positions import rotated
from ephemera.xmm.hot_regions import LEGACY_PIVOT, ROTATED, detector_coordinates
from ephemera.xmm.matches import set_of
from ephemera.xmm.observation import EPIC
from ephemera.xmm.sample_columns import CAPTIONS, HOT_REGIONS, OTYPES

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.job import Job

log = logging.getLogger(__name__)

Rows = list[dict[str, Any]]
#: Columns of matches that make a Hertzsprung-Russell diagram: G, BP, RP in mag, distance in pc.
GAIA_COLUMNS = tuple(f"{GAIA}_{name}" for name in ("gmag", "bpmag", "rpmag", "dist"))


@dataclass
class Album:
    """The figures of a sample: draws them into `folder` and keeps their captions in order."""

    folder: Path
    captions: list[dict[str, str]] = field(default_factory=list)

    def draw(
        self, section: str, name: str, caption: str, height: float, drawing: Callable[..., Any], *args: Any,
        columns: Literal[1, 2] = 2,
    ) -> None:  # fmt: skip
        """Draw one figure of `height` inch and keep its caption; each is closed before the next."""
        with figure(columns, height=height) as drawn:
            drawing(drawn, *args)
            save(drawn, self.folder / name)
        self.captions.append({"section": section, "file": name, "caption": caption})


def draw_sky(album: Album, detections: dict[str, Any], sources: dict[str, Any]) -> None:
    """Where on the sky sources and detections are."""
    kinds = dict(zip(detections["detid"].tolist(), detections["type"].tolist(), strict=True))
    best = [kinds.get(detid, "peak") for detid in sources["best_detid"].tolist()]
    words = "Sources by the type of their best detection; the size grows with its significance (ICRS)."
    album.draw("Sky", "sky_map.png", words, 3.9, sample_sky.sky_map, sources, best)
    words = "Density of detections over the whole sky, in cells of equal area (ICRS)."
    album.draw("Sky", "sky_density.png", words, 4.2, sample_sky.sky_density, detections)


def draw_detectors(album: Album, table: pa.Table, detections: dict[str, Any], hot: Rows) -> None:
    """Where on the detectors detections are, and the hot regions."""
    runs = sample_sky.runs_of(detections)
    rows, columns = len({run[0] for run in runs}), len({run[1:] for run in runs})
    height = 0.85 + rows * min(2.13, 6.4 / columns)
    places = {camera.name: detector_coordinates(table, camera) for camera in EPIC}
    if any(row["camera"] == ROTATED for row in hot):
        places[ROTATED] = rotated(detections["x"], detections["y"], detections["pa_pnt"], LEGACY_PIVOT)
    for camera, (x, y) in places.items():
        if (np.isfinite(x) & np.isfinite(y)).any():
            n_hot = sum(row["camera"] == camera for row in hot)
            words = f"Detections on the detector of {camera} by frame length and band; {n_hot} hot regions."
            name = f"detector_{camera.lower()}.png"
            drawing = sample_sky.detector_maps
            album.draw("Detectors", name, words, height, drawing, (x, y), detections, hot, camera)


def draw_numbers(album: Album, detections: dict[str, Any]) -> None:
    """Distributions of what was measured, and the curves behind the search."""
    if len(detections["detid"]):
        words = "Counts, Bayes factors and significances of detections by frame length."
        drawing = sample_numbers.histograms
        album.draw("Detections", "counts.png", words, 4.4, drawing, detections, sample_numbers.COUNTS)
        words = "Features of detections by frame length."
        album.draw("Detections", "features.png", words, 7.6, drawing, detections, sample_numbers.FEATURES)
        words = "How many detections reach a Bayes factor, or most counts; lines are the thresholds of peaks."
        album.draw("Detections", "thresholds.png", words, 3.0, sample_numbers.numbers_above, detections)
    words = "Counts from which a cell is a peak, and up to which it is an eclipse, by the counts expected."
    album.draw("Search", "count_limits.png", words, 3.4, sample_numbers.count_limits)
    words = "Bayes factor and significance: the relation, and the detections."
    album.draw("Search", "bayes_sigma.png", words, 3.4, sample_numbers.factor_against_sigma, detections)


def draw_catalogues(album: Album, chance: Sequence[Path], matches: Sequence[Path]) -> None:
    """Separations from every set, and the stars among the matches with Gaia."""
    for path in chance:
        name, rows = set_of(path), read(path, CHANCE).to_pylist()
        if rows:
            words = f"Separations from {name}: nearest matches, matches by chance, and the model of both."
            drawing = sample_catalogues.separations
            album.draw("Catalogues", f"separations_{name}.png", words, 3.2, drawing, rows, name)
    for path in matches:
        if set_of(path) == GAIA:
            stars = sample_catalogues.stars_of(pq.read_table(path).to_pylist(), GAIA_COLUMNS)
            if len(stars):
                words = f"The {len(stars)} matches with Gaia DR3 of known distance; no extinction taken off."
                diagram = sample_catalogues.hr_diagram
                album.draw("Catalogues", "hr_diagram.png", words, 3.6, diagram, stars, columns=1)


def draw_types(album: Album, otypes: Sequence[Path]) -> None:
    """Types and classes of the sources beside those of other populations."""
    for path in otypes:
        rows = read(path, OTYPES).to_pylist()
        for level, words in (("class", "Classes"), ("otype", "SIMBAD types")):
            n = min(len({row["value"] for row in rows if row["level"] == level}), 20)
            if n:
                words += " of the sources beside those of other populations."
                drawing = sample_catalogues.types
                album.draw("Catalogues", f"{level}.png", words, 1.4 + 0.3 * n, drawing, rows, level)


def main(job: Job) -> None:
    """Draw the sample of one project."""
    folder = job.output.figures
    folder.mkdir(parents=True)
    album = Album(folder)
    table = read(job.input.detections, CATALOGUE_DETECTIONS)
    detections, sources = arrays(table), arrays(read(job.input.sources, SOURCES))
    if len(table):
        draw_sky(album, detections, sources)
        draw_detectors(album, table, detections, read(job.input.hot_regions, HOT_REGIONS).to_pylist())
    draw_numbers(album, detections)
    draw_catalogues(album, job.input.chance, job.input.matches)
    draw_types(album, job.input.otypes)
    (folder / CAPTIONS).write_text(json.dumps(album.captions, indent=1) + "\n", encoding="utf-8")
    log.info("%d figures", len(album.captions))
