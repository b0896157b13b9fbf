"""Spectra of the bursts of an observation, and their hardness from frame to frame.

Reads events, cubes, expectations, detections with their cells and light curves. Makes a table of spectra (a
row for each energy bin of each peak), a table of hardness (a row for each significant frame of each peak of a
band that two others make up), and figures of the most significant peaks. Method: `burst_spectra`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.tables import arrays, numbers, read, write
from ephemera.xmm.burst_spectra import (
    BurstSpectrum,
    Located,
    burst_spectrum,
    energy_edges,
    hardness_curve,
)
from ephemera.xmm.cube_store import RunKey, read_cubes
from ephemera.xmm.events_store import read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.grid import shifted_subset
from ephemera.xmm.light_curve_files import read_light_curve
from ephemera.xmm.observation import Band, FloatArray, IntArray
from ephemera.xmm.region_columns import ALERTS, REGIONS
from ephemera.xmm.spectra_columns import HARDNESS, SPECTRA

if TYPE_CHECKING:
    from ephemera.config.xmm import Spectra as SpectraSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Peak:
    """One detection with its significant pixels (j N + i) and frames."""

    region: Row
    pixels: IntArray
    frames: IntArray


def key_of(region: Row) -> RunKey:
    """The run in which a detection was found."""
    band = Band.from_kev(region["e_min"], region["e_max"])
    return RunKey(region["subset"], region["grid"], region["t_bin"], band)


def peaks_of(regions: Sequence[Row], cells: Mapping[str, npt.NDArray[Any]], side: int) -> list[Peak]:
    """Detections of one run with their significant peak cells, on a grid of `side` x `side` pixels."""
    found = []
    for region in regions:
        mine = (cells["detid"] == region["detid"]) & (cells["type"] == "peak")
        if mine.any():
            pixels = cells["j"][mine].astype(np.int64) * side + cells["i"][mine]
            frames = np.unique(cells["frame"][mine]).astype(np.int64)
            found.append(Peak(region, np.unique(pixels), frames))
    return found


def spectrum_columns(detid: str, spectrum: BurstSpectrum, edges_kev: Sequence[float]) -> Columns:
    """Rows of `SPECTRA` of one peak."""
    n = len(spectrum.counts)
    return {
        "detid": np.full(n, detid, dtype=object),
        "e_min": np.array(edges_kev[:-1]),
        "e_max": np.array(edges_kev[1:]),
        "counts": spectrum.counts.astype(np.int32),
        "background": spectrum.expected,
        "neighbours": spectrum.neighbours.astype(np.int32),
        "scale": np.full(n, spectrum.scale),
        "source": np.full(n, spectrum.background, dtype=object),
        "exposure": np.full(n, spectrum.exposure),
    }


def hardness_columns(detid: str, curve: Mapping[str, FloatArray], frames: IntArray) -> Columns:
    """Rows of `HARDNESS` of one peak, from its light curve; frames without exposure are left out."""
    exposed = np.flatnonzero(curve["exposure"] > 0)
    frames = np.flatnonzero(np.isin(exposed, frames))
    mu = curve["mu"][exposed]
    bands = (curve["n_soft"][exposed], curve["n_hard"][exposed])
    ratios = hardness_curve(*bands, mu, frames)
    n, exposure = curve["n"][exposed][frames], curve["exposure"][exposed][frames]
    return {
        "detid": np.full(len(frames), detid, dtype=object),
        "time": curve["time"][exposed][frames],
        "time_mjd": curve["time_mjd"][exposed][frames],
        "n_soft": bands[0][frames].astype(np.int32),
        "n_hard": bands[1][frames].astype(np.int32),
        "rate": (n - mu[frames]) / exposure,
        **ratios,
    }


def _spectra(job: Job, regions: Sequence[Row], edges_ev: IntArray) -> Iterator[tuple[Peak, BurstSpectrum]]:
    """Each peak with its spectrum, run by run."""
    subsets = {subset.number: subset for subset in read_subsets(job.input.events)}
    cells = arrays(read(job.input.cells, ALERTS))
    for key in sorted({key_of(region) for region in regions}, key=lambda key: key.path):
        (cube,) = read_cubes(job.input.cube, [key])
        expectation = read_expectation(job.input.expectation, key, job.input.second_pass)
        if isinstance(expectation, tuple):
            continue
        subset = subsets[key.subset]
        located = Located.of(shifted_subset(subset, cube.frames.t0 - subset.t0).events, cube)
        for peak in peaks_of([region for region in regions if key_of(region) == key], cells, cube.grid.n):
            yield peak, burst_spectrum(located, cube, expectation, peak.pixels, peak.frames, edges_ev)


def _curve_with_bands(path: Path, detid: str) -> dict[str, FloatArray] | None:
    """The light curve of a detection, None where it has no counts of two bands."""
    table = read_light_curve(path, detid)
    names = ("time", "time_mjd", "exposure", "n", "mu", "n_soft", "n_hard")
    columns = {name: numbers(table, name) for name in names}
    return None if np.isnan(columns["n_soft"]).any() else columns


def main(job: Job) -> None:
    """Write spectra, hardness and figures of one observation."""
    settings: SpectraSettings = job.settings
    regions = read(job.input.regions, REGIONS).to_pylist()
    edges_ev = energy_edges(settings.energy_edges_kev)
    peaks: list[Peak] = []
    spectra: dict[str, Columns] = {}
    hardness: dict[str, Columns] = {}
    for peak, spectrum in _spectra(job, regions, edges_ev):
        peaks.append(peak)
        detid = peak.region["detid"]
        spectra[detid] = spectrum_columns(detid, spectrum, settings.energy_edges_kev)
        curve = _curve_with_bands(job.input.light_curves, detid)
        if curve is not None:
            hardness[detid] = hardness_columns(detid, curve, peak.frames)
    for declaration, parts, path in (
        (SPECTRA, spectra, job.output.spectra),
        (HARDNESS, hardness, job.output.hardness),
    ):
        names = declaration.names
        ordered = [parts[detid] for detid in sorted(parts)]
        write(
            {n: np.concatenate([part[n] for part in ordered]) if ordered else [] for n in names},
            declaration,
            path,
        )
    draw(job.output.figures, peaks, spectra, hardness, settings.max_figures)
    log.info("%s: spectra of %d peaks, hardness of %d", job.wildcards.obsid, len(spectra), len(hardness))


def draw(
    folder: Path,
    peaks: Sequence[Peak],
    spectra: Mapping[str, Columns],
    hardness: Mapping[str, Columns],
    most: int,
) -> None:
    """Draw the most significant peaks into a folder of their own."""
    from ephemera.xmm.figure_spectra import draw_burst  # figures need 0.5 s to load

    folder.mkdir(parents=True)
    ordered = sorted(peaks, key=lambda peak: (-peak.region["best_sigma"], peak.region["detid"]))
    for peak in ordered[:most]:
        detid = peak.region["detid"]
        draw_burst(folder / f"spectrum_{detid}.png", peak.region, spectra[detid], hardness.get(detid))
