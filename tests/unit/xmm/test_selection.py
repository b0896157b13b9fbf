from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from builders.event_lists import rows, write_list
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.hot_pixels import HotPixels
from ephemera.xmm.observation import Camera
from ephemera.xmm.outcomes import ListRejected, Outcome
from ephemera.xmm.selection import legal_pixels, select

PERFECT = {"PI": 1000, "FLAG": 0, "PATTERN": 0, "CCDNR": 1, "RAWX": 30, "RAWY": 100, "X": 20000, "Y": 20000}


def list_of(tmp_path, *events, camera=Camera.PN, submode="PrimeFullWindow", **options):
    """A raw list of events that differ from a perfect one as said."""
    columns = {name: np.array([e.get(name, v) for e in events]) for name, v in PERFECT.items()}
    times = np.array([e.get("TIME", 1500.0 + k) for k, e in enumerate(events)])
    columns |= {"TIME": times, "DETX": np.arange(len(events)), "DETY": np.arange(len(events))}
    path = write_list(tmp_path / "a.fits", columns, camera=camera, events={"SUBMODE": submode}, **options)
    return read_event_list(path)


def survives(tmp_path, camera=Camera.PN, submode="PrimeFullWindow", options=None, **values):
    """Whether one event with these values is kept, beside a perfect one; and the cut that drops it."""
    good = {"CCDNR": 2}
    raw = list_of(tmp_path, good, values, camera=camera, submode=submode)
    kept, cuts = select(raw, **(options or {}))
    dropped = [c.name for c in cuts if c.rows_out < c.rows_in]
    assert len(kept.events) + len(dropped) == 2
    return dropped[0] if dropped else True


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"X": -99999999}, "null_rows"),
        ({"Y": 51841}, "null_rows"),
        ({"X": 0}, "null_rows"),
        ({"X": 1, "Y": 51840}, True),
        ({"PI": -32768}, "null_rows"),
        ({"TIME": np.nan}, "null_rows"),
        ({"CCDNR": 13}, "null_rows"),
        ({"CCDNR": 0}, "null_rows"),
        ({"FLAG": 0x10000}, True),
        ({"FLAG": 0x20000}, "flag"),
        ({"FLAG": 0x800000}, "flag"),
        ({"FLAG": 0x2000000 + 1}, True),
        ({"FLAG": 0x4000000}, "flag"),
        ({"FLAG": -(2**31)}, True),
        ({"PATTERN": 4}, True),
        ({"PATTERN": 5}, "pattern"),
        ({"PI": 199}, "energy"),
        ({"PI": 200}, True),
        ({"PI": 12000}, True),
        ({"PI": 12001}, "energy"),
        ({"CCDNR": 4, "RAWX": 12}, "bad_columns"),
        ({"CCDNR": 5, "RAWX": 11}, "bad_columns"),
        ({"CCDNR": 10, "RAWX": 28}, "bad_columns"),
        ({"CCDNR": 4, "RAWX": 11}, True),
        ({"RAWY": 23}, "borders"),
        ({"RAWY": 24}, True),
        ({"RAWY": 196}, True),
        ({"RAWY": 197}, "borders"),
        ({"RAWX": 4}, "borders"),
        ({"RAWX": 5}, True),
        ({"RAWX": 60}, True),
        ({"RAWX": 61}, "borders"),
        ({"RAWX": 900, "RAWY": -4}, "borders"),
    ],
)
def test_each_cut_of_pn(tmp_path, values, expected):
    assert survives(tmp_path, **values) == expected
    assert survives(tmp_path, submode="PrimeFullWindowExtended", **values) == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [({"RAWY": 1}, True), ({"RAWY": 196}, True), ({"RAWY": 197}, "borders"), ({"RAWX": 61}, "borders")],
)
def test_large_window_keeps_low_rows(tmp_path, values, expected):
    assert survives(tmp_path, submode="PrimeLargeWindow", **values) == expected


@pytest.mark.parametrize(
    ("values", "submode", "expected"),
    [
        ({"PATTERN": 12}, "PrimeFullWindow", True),
        ({"PATTERN": 13}, "PrimeFullWindow", "pattern"),
        ({"FLAG": 0x20}, "PrimeFullWindow", True),
        ({"FLAG": 0x10000}, "PrimeFullWindow", "flag"),
        ({"FLAG": 0x40000000}, "PrimeFullWindow", "flag"),
        ({"RAWX": 1, "RAWY": 600}, "PrimeFullWindow", True),
        ({"RAWX": 605, "RAWY": 602}, "PrimeFullWindow", True),
        ({"CCDNR": 8}, "PrimeFullWindow", "null_rows"),
        ({"CCDNR": 1}, "PrimePartialW2", "central_ccd"),
        ({"CCDNR": 1}, "PrimePartialRFS", "central_ccd"),
        ({"CCDNR": 7}, "PrimePartialW6", True),
    ],
)
@pytest.mark.parametrize("camera", [Camera.M1, Camera.M2])
def test_each_cut_of_mos(tmp_path, camera, values, submode, expected):
    assert survives(tmp_path, camera=camera, submode=submode, **values) == expected


def test_the_flag_mask_of_the_file_counts(tmp_path):
    stated = {"XMMEA_EP": "(FLAG & 0x1) == 0", "XMMEA_EM": "(FLAG & 0x2) == 0"}
    columns = rows(3) | {"FLAG": np.array([1, 2, 0x20000])}
    kept, _ = select(read_event_list(write_list(tmp_path / "a.fits", columns, events=stated)))
    assert len(kept.events) == 2
    raw = read_event_list(write_list(tmp_path / "a.fits", columns, events={"XMMEA_EP": "FLAG == 0 || x"}))
    assert raw.flag_mask == 0x0CFA0000


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"PI": 499, "PATTERN": 1}, "pattern"),
        ({"PI": 499, "PATTERN": 0}, True),
        ({"PI": 500, "PATTERN": 4}, True),
    ],
)
def test_soft_singles(tmp_path, values, expected):
    assert survives(tmp_path, options={"soft_singles": True}, **values) == expected
    assert survives(tmp_path, camera=Camera.M1, options={"soft_singles": True}, **values) is True


def test_hot_pixels_by_revolution(tmp_path):
    table = np.array([[30, 100, 1, 900, 1000]])
    hot = HotPixels({Camera.PN: table})
    assert survives(tmp_path, options={"hot_pixels": hot}) == "hot_pixels"
    assert survives(tmp_path, options={"hot_pixels": hot}, RAWX=31) is True
    assert survives(tmp_path, options={"hot_pixels": hot, "strict_revolutions": True}) is True


def test_found_hot_pixels_are_a_cut_of_their_own(tmp_path):
    events = [{"RAWX": 10 + k % 40, "RAWY": 30 + k // 40} for k in range(400)] + [{"CCDNR": 2}] * 60
    kept, cuts = select(list_of(tmp_path, *events), find_hot_pixels=True)
    assert (cuts[-1].name, cuts[-1].rows_in, cuts[-1].rows_out) == ("found_hot_pixels", 460, 400)
    assert set(kept.events.ccd) == {1}


def test_rows_are_conserved_from_cut_to_cut(tmp_path):
    rng = np.random.default_rng(5)
    n = 5000
    columns = rows(n, ccds=range(13)) | {
        "PI": rng.integers(-100, 15000, n),
        "FLAG": rng.choice([0, 0x20000, 1], n),
        "PATTERN": rng.integers(0, 14, n),
        "RAWX": rng.integers(1, 65, n),
        "RAWY": rng.integers(1, 201, n),
    }
    raw = read_event_list(write_list(tmp_path / "a.fits", columns))
    kept, cuts = select(raw)
    assert [c.name for c in cuts] == [
        "null_rows", "flag", "pattern", "energy", "bad_columns", "borders", "central_ccd", "hot_pixels",
    ]  # fmt: skip
    assert cuts[0].rows_in == n
    assert [c.rows_in for c in cuts[1:]] == [c.rows_out for c in cuts[:-1]]
    assert cuts[-1].rows_out == len(kept.events)
    assert all(c.rows_out < c.rows_in for c in cuts[:6])
    good = kept.events
    assert legal_pixels(Camera.PN, "PrimeFullWindow")[good.ccd, good.rawx, good.rawy].all()


def test_events_keep_their_columns_and_are_sorted_stably(tmp_path):
    times = [1700.0, 1500.0, 1500.0, 1600.0, 1500.0]
    raw = list_of(tmp_path, *({"TIME": t, "PI": 300 + k, "RAWY": 50 + k} for k, t in enumerate(times)))
    events = select(raw)[0].events
    assert events.time.tolist() == sorted(times)
    assert events.pi.tolist() == [301, 302, 304, 303, 300]
    assert events.rawy.tolist() == [51, 52, 54, 53, 50]
    assert events.detx.tolist() == [1, 2, 4, 3, 0]
    assert set(events.camera.tolist()) == {int(Camera.PN)}
    assert [getattr(events, n).dtype for n in events.COLUMNS] == [
        getattr(events.empty(), n).dtype for n in events.COLUMNS
    ]


@pytest.mark.parametrize(
    "event",
    [{"X": -99999999, "Y": -99999999}, {"FLAG": 0x20000}, {"PI": 100}],
    ids=["null", "flag", "energy"],
)
def test_nothing_left_is_an_outcome(tmp_path, event):
    with pytest.raises(ListRejected) as caught:
        select(list_of(tmp_path, event, event))
    assert caught.value.outcome is Outcome.NO_EVENTS
    assert "2 -> 0" in caught.value.detail


def test_kept_ccds_have_good_time(tmp_path):
    good = {1: [[1100, 1900]], 2: [], 3: [[1000, 1950]]}
    raw = list_of(tmp_path, {}, {"CCDNR": 2}, good_time=good)
    header = select(raw)[0].header
    assert header.kept_ccds == (1, 3)
    assert list(header.good_time) == [1, 3]
    assert (header.start, header.stop) == (1000, 1950)


def test_without_good_time_kept_ccds_have_events(tmp_path):
    raw = list_of(tmp_path, {}, {"CCDNR": 7}, {"CCDNR": 9, "FLAG": 0x20000}, good_time={})
    header = select(raw)[0].header
    assert header.kept_ccds == (1, 7)
    assert not header.has_good_time
    assert (header.start, header.stop) == (1000.0, 2000.0)
    bare = replace(raw, header=replace(raw.header, start=np.nan))
    header = select(bare)[0].header
    assert (header.start, header.stop) == (1500.0, 1501.0)


def test_one_good_time_for_all_goes_to_ccds_with_events(tmp_path):
    raw = list_of(tmp_path, {}, {"CCDNR": 7}, good_time={}, tables={"GTI": [[1200, 1800]]})
    header = select(raw)[0].header
    assert header.kept_ccds == (1, 7)
    assert header.good_time[7].tolist() == [[1200, 1800]]


def test_the_central_mos_ccd_is_not_kept_in_window_modes(tmp_path):
    good = {1: [[900, 2100]], 2: [[1000, 2000]]}
    raw = list_of(tmp_path, {"CCDNR": 2}, {}, camera=Camera.M1, submode="PrimePartialW3", good_time=good)
    header = select(raw)[0].header
    assert header.kept_ccds == (2,)
    assert (header.start, header.stop) == (1000, 2000)


def test_a_list_without_any_good_time_is_an_outcome(tmp_path):
    with pytest.raises(ListRejected, match="no CCD has good time") as caught:
        select(list_of(tmp_path, {}, good_time={1: [], 2: []}))
    assert caught.value.outcome is Outcome.NO_EVENTS


@pytest.mark.parametrize("mos", [1, 2])
def test_real_lists_lose_only_what_their_maker_left(shared_data, mos):
    """These lists were already cut on FLAG and PATTERN <= 12, so only energy and hot pixels remain."""
    raw = read_event_list(shared_data / "xray" / f"xmm_0201901401_mos{mos}_clean_evts.fits")
    hot = HotPixels.from_csv(shared_data / "xmm" / "exod2_tables")
    kept, cuts = select(raw, hot_pixels=hot)
    losing = {c.name for c in cuts if c.rows_out < c.rows_in}
    assert losing == {"energy", "hot_pixels"}
    in_range = (raw.pi >= 200) & (raw.pi <= 12000)
    camera = (Camera.M1, Camera.M2)[mos - 1]
    pixels = Counter({tuple(r[:3]) for r in hot.applying(camera, 809).tolist()})
    listed = [p in pixels for p in zip(raw.rawx.tolist(), raw.rawy.tolist(), raw.ccd.tolist(), strict=True)]
    assert len(kept.events) == np.count_nonzero(in_range & ~np.array(listed))
    assert (np.diff(kept.events.time) >= 0).all()
    assert kept.header.kept_ccds == (1, 2, 3, 4, 5, 6, 7)
