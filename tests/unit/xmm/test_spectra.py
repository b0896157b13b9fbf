"""Spectra of bursts and hardness in time: the background of the neighbours, and a burst put in."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ephemera.config.load import load
from ephemera.job import namespace
from ephemera.tables import read
from ephemera.xmm import spectra
from ephemera.xmm.burst_spectra import Located, burst_spectrum, energy_edges, hardness_curve, ring_around
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band
from ephemera.xmm.simulate import observation
from ephemera.xmm.simulate_scene import Burst
from ephemera.xmm.sparse_cube import SparseCube
from ephemera.xmm.spectra_columns import HARDNESS, SPECTRA
from xmm_chain import search

OBSID = "0800000202"
N_FRAMES, FRAME, PIXEL = 20, 5, 65 * 130 + 65
#: Any dt and bands: 600 s, the iron line, and the bands of a hardness-intensity diagram.
BANDS = [[0.3, 1.0], [1.0, 2.0], [0.3, 2.0], [6.0, 8.0], [0.2, 12.0]]


def flat(level=0.5):
    """Cube and expectation of a sky with `level` counts in every cell of a disc of 10 pixels."""
    n = PixelGrid(20.0).n
    j, i = np.indices((n, n))
    seen = np.hypot(i - 65, j - 65) < 10
    frames = Frames(
        50.0, 0.0, 50.0 * N_FRAMES, np.ones(N_FRAMES), np.ones((1, N_FRAMES)),
        np.zeros(N_FRAMES, bool), np.zeros(N_FRAMES, bool),
    )  # fmt: skip
    cube = SparseCube(PixelGrid(20.0), frames, Band(200, 12000), np.empty(0, np.int64), np.empty(0, np.int32))
    share = np.where(seen, 1.0 / seen.sum(), 0.0)
    curve = np.full(N_FRAMES, level * seen.sum())
    nothing = np.zeros((1, n, n))
    expectation = Expectation(
        share[None], curve, nothing, np.ones((1, N_FRAMES)), np.zeros(N_FRAMES, np.int8), seen,
        np.zeros_like(seen), "own",
    )  # fmt: skip
    return cube, expectation, seen


def located(cube, seen, level=0.5, burst=0, seed=1):
    """Events of the flat sky at 1 and 5 keV, and of a burst at 5 keV in the middle."""
    rng = np.random.default_rng(seed)
    cells = rng.poisson(level, (N_FRAMES, seen.sum()))
    frame, place = np.nonzero(cells)
    times = cells[frame, place]
    frame, pixel = np.repeat(frame, times), np.repeat(np.flatnonzero(seen)[place], times)
    energy = np.where(np.arange(len(frame)) % 4 == 0, 5000, 1000)
    frame = np.concatenate([frame, np.full(burst, FRAME)])
    pixel = np.concatenate([pixel, np.full(burst, PIXEL)])
    return Located(frame, pixel, np.concatenate([energy, np.full(burst, 5000)]).astype(np.uint16))


def test_background_of_the_ring_is_what_the_model_expects_with_the_ring_s_colour():
    cube, expectation, seen = flat(level=3.0)
    pixels, frames = np.array([PIXEL]), np.array([FRAME])
    made = burst_spectrum(
        located(cube, seen, 3.0, burst=40), cube, expectation, pixels, frames, energy_edges([0.2, 2, 12])
    )
    assert made.background == "ring"
    assert made.expected.sum() == pytest.approx(3.0, rel=0.25)
    assert made.expected[0] / made.expected[1] == pytest.approx(3.0, rel=0.6)
    assert made.counts[1] >= 40
    assert made.exposure == 50.0


def test_a_ring_without_events_gives_way_to_the_other_frames():
    cube, expectation, seen = flat(level=0.01)
    events = located(cube, seen, 0.01, burst=9)
    made = burst_spectrum(
        events, cube, expectation, np.array([PIXEL]), np.array([FRAME]), energy_edges([0.2, 2.0, 12.0])
    )
    assert made.background == "other frames"
    assert made.scale == pytest.approx(1 / (N_FRAMES - 1))


def test_no_event_of_the_region_is_lost_in_edges_that_hold_all_energies():
    cube, expectation, seen = flat()
    events = located(cube, seen, burst=30)
    mine = (events.pixel == PIXEL) & (events.frame == FRAME)
    edges = energy_edges([0.2, 1.0, 5.0, 12.0])
    made = burst_spectrum(events, cube, expectation, np.array([PIXEL]), np.array([FRAME]), edges)
    assert made.counts.sum() == mine.sum()
    assert made.counts[0] == 0  # an event at an edge belongs to the bin above
    with pytest.raises(ValueError, match="rising"):
        burst_spectrum(events, cube, expectation, np.array([PIXEL]), np.array([FRAME]), edges[::-1])


def test_the_ring_leaves_out_the_region_its_neighbours_and_sources():
    _, expectation, _ = flat()
    ring = ring_around(np.array([PIXEL]), expectation)
    j, i = np.nonzero(ring)
    distance = np.maximum(np.abs(i - 65), np.abs(j - 65))
    assert (distance.min(), distance.max()) == (2, 5)
    expectation.mask[65, 68] = True
    assert not ring_around(np.array([PIXEL]), expectation)[65, 68]
    assert ring.sum() == 11**2 - 3**2


def test_hardness_follows_a_burst_that_softens():
    mu, soft, hard = np.full(40, 2.0), np.full(40, 1.0), np.full(40, 1.0)
    soft[10:13], hard[10:13] = [5, 20, 40], [40, 20, 5]
    curve = hardness_curve(soft, hard, mu, np.array([10, 11, 12]))
    assert curve["hr"][0] > 0.7
    assert abs(curve["hr"][1]) < 0.05
    assert curve["hr"][2] == pytest.approx(-curve["hr"][0])
    assert (curve["hr_low"] < curve["hr"]).all()
    assert (curve["hr_high"] > curve["hr"]).all()


@pytest.fixture(scope="module")
def burst(tmp_path_factory):
    """A burst searched in any dt and bands, and its spectra."""
    folder = tmp_path_factory.mktemp("spectra")
    burst = Burst(25921.0 + 3000, 25921.0 - 2000, 3000.0, 600.0, 200.0)
    truth = observation(folder / OBSID, obsid=OBSID, duration=6000.0, bursts=[burst], seed=2)
    options = {"cube": {"time_bins_s": [37.5, 600.0], "bands_kev": BANDS}}
    found = search(folder / OBSID, folder / "found", OBSID, options)
    names = {"events": "events.h5", "cube": "cube.h5", "expectation": "expectation.h5"}
    names |= {"second_pass": "second_pass.h5", "regions": "regions.parquet", "cells": "alerts.parquet"}
    names |= {"light_curves": "light_curves.parquet"}
    outputs = {"spectra": "spectra.parquet", "hardness": "hardness.parquet", "figures": "figures"}
    job = SimpleNamespace(
        input=SimpleNamespace(**{k: found.folder / v for k, v in names.items()}),
        output=SimpleNamespace(**{k: found.folder / v for k, v in outputs.items()}),
        settings=namespace(load({}).xmm.spectra.settings()),
        wildcards=SimpleNamespace(obsid=OBSID),
    )
    spectra.main(job)
    return truth.bursts[0], found


def test_a_burst_is_found_at_any_frame_length_and_band(burst):
    item, found = burst
    runs = {(row["t_bin"], row["e_min"], row["e_max"]) for row in found.runs.to_pylist()}
    assert runs == {(dt, *band) for dt in (37.5, 600.0) for band in BANDS}
    rows = [r for r in found.detections.to_pylist() if abs(r["t_peak"] - item.start - 300) < 900]
    seen = {(r["t_bin"], r["e_max"]) for r in rows if r["best_sigma"] > 3}
    assert {(600.0, 12.0), (600.0, 2.0), (37.5, 12.0)} <= seen


def test_its_spectrum_holds_its_counts_and_its_hardness_is_that_of_the_detection(burst):
    item, found = burst
    table = read(found.folder / "spectra.parquet", SPECTRA).to_pandas()
    rows = [r for r in found.detections.to_pylist() if r["t_bin"] == 600.0 and r["e_max"] == 12.0]
    best = max(rows, key=lambda row: row["best_sigma"])
    mine = table[table.detid == best["detid"]]
    net = (mine.counts - mine.background).sum()
    assert 0.5 * item.kept < net < 1.3 * item.kept
    hardness = read(found.folder / "hardness.parquet", HARDNESS).to_pandas()
    soft = {r["detid"] for r in found.detections.to_pylist() if (r["e_min"], r["e_max"]) == (0.3, 2.0)}
    assert set(hardness.detid) <= soft
    assert len(hardness)
    assert ((hardness.hr_low <= 1) & (hardness.hr_high >= -1)).all()
    assert len(list((found.folder / "figures").glob("spectrum_*.png"))) > 0
