from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm import region_events as room
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.observation import Band
from ephemera.xmm.region_events import events_in_boxes, region_events, significant_frames
from reference.regions import COARSE, OBSID, make_cells, make_events, make_frames, sparse

SOFT = Band(200, 2000)


def random_case(seed, n_frames=6):
    """Events all over the sky, their cube of the soft band, and random significant cells."""
    rng = np.random.default_rng(seed)
    n = 400
    events = make_events(
        rng.uniform(1000, 1000 + 5 * (n_frames - 0.5), n),
        rng.integers(1, 51841, n),
        rng.integers(1, 51841, n),
        rng.integers(200, 4000, n),
    )
    frames = make_frames(n_frames, last=0.5)
    dense = np.zeros((n_frames, 10, 10), int)
    np.add.at(dense, cell_of(events), (events.pi < 2000).astype(int))
    rows = {tuple(row) for row in rng.integers(0, (10, 10, n_frames, 2), (25, 4)).tolist()}
    cells = make_cells(sorted(rows))
    cube = sparse(dense, frames, band=SOFT)
    return events, cells, cube, find_regions(cells, cube, OBSID, 0, connectivity=4)


def cell_of(events):
    """Frame, j, i of events."""
    frame = ((events.time - 1000) // 5).astype(int)
    return frame, COARSE.index(events.y, "y"), COARSE.index(events.x, "x")


def walk(events, cells, regions):
    """(region, event, frame) of the events of regions, one by one."""
    found = []
    for region in range(len(regions)):
        mine = regions.cell_region == region
        pixels = set(zip(cells.i[mine], cells.j[mine], strict=True))
        frames = set(cells.frame[mine])
        for event, (frame, j, i) in enumerate(zip(*cell_of(events), strict=True)):
            if frame in frames and (i, j) in pixels and events.pi[event] < 2000:
                found.append((region, event, frame))
    return found


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_events_of_regions_equal_the_plain_walk(seed):
    events, cells, cube, regions = random_case(seed)
    found = region_events(events, cells, cube, regions)
    assert list(zip(found.region, found.event, found.frame, strict=True)) == walk(events, cells, regions)


def test_blocks_change_nothing(monkeypatch):
    events, cells, cube, regions = random_case(4)
    whole = region_events(events, cells, cube, regions)
    monkeypatch.setattr(room, "BLOCK_EVENTS", 70)
    parts = region_events(events, cells, cube, regions)
    assert len(whole) > 10
    for name in ("event", "region", "frame"):
        assert getattr(parts, name).tolist() == getattr(whole, name).tolist()


def test_events_are_as_many_as_the_counts_of_their_cells():
    events, cells, cube, regions = random_case(9)
    found = region_events(events, cells, cube, regions)
    keys = {
        int(frame * 100 + pixel)
        for pixel, region in zip(regions.pixel, regions.pixel_region, strict=True)
        for frame in cells.frame[regions.cell_region == region]
    }
    assert len(found) == cube.counts[np.isin(cube.keys, list(keys))].sum()


def test_significant_frames_come_once_and_can_be_those_of_peaks():
    cells = make_cells([(1, 1, 4, 0), (1, 2, 4, 0), (1, 1, 2, 1), (7, 7, 0, 1)])
    cube = sparse(np.zeros((6, 10, 10), int), make_frames(6))
    regions = find_regions(cells, cube, OBSID, 0)
    every = significant_frames(cells, regions)
    assert list(zip(every.region, every.frame, strict=True)) == [(0, 2), (0, 4), (1, 0)]
    peaks = significant_frames(cells, regions, peaks_only=True)
    assert list(zip(peaks.region, peaks.frame, strict=True)) == [(0, 4)]
    second = significant_frames(cells, regions.take(np.array([1])))
    assert list(zip(second.region, second.frame, strict=True)) == [(0, 0)]


@pytest.mark.parametrize(("time", "frame"), [(1005.0, 1), (1009.999, 1), (1010.0, 2), (1012.5, 2)])
def test_frames_hold_their_start_and_the_last_its_end(time, frame):
    events = make_events([time], [100], [100])
    cells = make_cells([(0, 0, k, 0) for k in range(3)])
    cube = sparse(np.zeros((3, 10, 10), int), make_frames(3, last=0.5))
    found = region_events(events, cells, cube, find_regions(cells, cube, OBSID, 0))
    assert found.frame.tolist() == [frame]


def test_borders_of_boxes_belong_to_them():
    events = make_events([1001.0] * 4, [99, 100, 200, 201], [50, 50, 50, 50])
    cells = make_cells([(0, 0, 0, 0)])
    cube = sparse(np.zeros((1, 10, 10), int), make_frames(1))
    pairs = significant_frames(cells, find_regions(cells, cube, OBSID, 0))
    found = events_in_boxes(events, cube.frames, cube.band, pairs, np.array([[100.0, 200.0, 50.0, 50.0]]))
    assert found.event.tolist() == [1, 2]


def test_no_regions_have_no_events():
    events, _, cube, _ = random_case(1)
    cells = make_cells([])
    assert len(region_events(events, cells, cube, find_regions(cells, cube, OBSID, 0))) == 0
