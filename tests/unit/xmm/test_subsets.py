from dataclasses import replace

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.event_lists import event_list, events
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.observation import EPIC, Camera, EventList
from ephemera.xmm.outcomes import Caution, Outcome
from ephemera.xmm.selection import select
from ephemera.xmm.subsets import subsets

PN, M1, M2 = EPIC


def files(found):
    return [[header.file for header in subset.headers] for subset in found]


def test_three_cameras_share_their_common_time():
    lists = [event_list(M2, 20, 1100), event_list(PN, 0, 1000), event_list(M1, 10, 1200)]
    found, remarks = subsets(lists, minimum_span=500)
    assert remarks == []
    (subset,) = found
    assert (subset.number, subset.t0, subset.t1) == (0, 20, 1000)
    assert subset.cameras == (PN, M1, M2)
    assert [h.camera for h in subset.headers] == [PN, M1, M2]
    assert subset.events.time.min() >= 20
    assert subset.events.time.max() <= 1000
    assert (np.diff(subset.events.time) >= 0).all()
    assert len(subset.events) == sum(((e.events.time >= 20) & (e.events.time <= 1000)).sum() for e in lists)


@pytest.mark.parametrize("cameras", [[PN], [M1], [M1, M2], [PN, M2]])
def test_missing_cameras_are_no_error(cameras):
    found, remarks = subsets([event_list(camera) for camera in cameras], minimum_span=500)
    assert [s.cameras for s in found] == [tuple(cameras)]
    assert remarks == []


def test_of_two_exposures_of_a_camera_the_longer_is_taken_and_the_other_is_not_lost():
    short = event_list(M1, 100, 900, file="short")
    long = event_list(M1, 0, 2000, file="long")
    pn = event_list(PN, 0, 2000, file="pn")
    found, remarks = subsets([short, long, pn], minimum_span=500)
    assert files(found) == [["pn", "long"], ["short"]]
    assert remarks == []


def test_equal_lengths_are_decided_by_the_file_name():
    lists = [event_list(M1, 0, 1000, file=name) for name in ("b", "a")]
    assert files(subsets([*lists, event_list(PN, 0, 1000, file="pn")], minimum_span=500)[0]) == [
        ["pn", "a"],
        ["b"],
    ]


def test_two_exposures_side_by_side_under_one_long_one():
    """Both overlap PN, so that the common interval of all three would be empty."""
    lists = [event_list(M1, 0, 1000, file="m1a"), event_list(M1, 1100, 3000, file="m1b")]
    found, remarks = subsets([event_list(PN, 0, 3000, file="pn"), *lists], minimum_span=500)
    assert files(found) == [["m1a"], ["pn", "m1b"]]
    assert (found[1].t0, found[1].t1) == (1100, 3000)
    assert remarks == []


def test_the_list_with_the_least_overlap_leaves_a_common_interval_that_is_too_short():
    lists = [
        event_list(PN, 0, 2000, file="pn"),
        event_list(M1, 0, 1900, file="m1"),
        event_list(M2, 1800, 3000, file="m2"),
    ]
    found, remarks = subsets(lists, minimum_span=500)
    assert files(found) == [["pn", "m1"], ["m2"]]
    assert [(s.t0, s.t1) for s in found] == [(0, 1900), (1800, 3000)]
    assert remarks == []


def test_lists_that_touch_at_one_instant_are_separate():
    found, _ = subsets([event_list(PN, 0, 1000), event_list(M1, 1000, 2000)], minimum_span=500)
    assert [(s.number, s.cameras, s.t0) for s in found] == [(0, (PN,), 0), (1, (M1,), 1000)]


def test_too_short_lists_are_an_outcome():
    found, remarks = subsets([event_list(PN, 0, 400), event_list(M1, 0, 1000)], minimum_span=500)
    assert [s.cameras for s in found] == [(M1,)]
    assert [(r.outcome, r.file) for r in remarks] == [(Outcome.NO_COMMON_TIME, "PN_0.fits")]
    assert "400 s" in remarks[0].detail


def test_a_span_without_events_is_an_outcome():
    empty = replace(event_list(PN), events=events(np.array([2000.0])))
    found, remarks = subsets([empty], minimum_span=500)
    assert found == []
    assert [r.outcome for r in remarks] == [Outcome.NO_EVENTS]


def test_union_searches_everything_that_overlaps():
    lists = [event_list(PN, 0, 1000), event_list(M1, 900, 3000), event_list(M2, 2900, 4000)]
    found, remarks = subsets(lists, span="union", minimum_span=500)
    assert [(s.cameras, s.t0, s.t1) for s in found] == [((PN, M1, M2), 0, 4000)]
    assert remarks == []
    assert len(found[0].events) == sum(len(item.events) for item in lists)


def test_union_drops_what_overlaps_only_a_list_not_taken():
    """M2 overlaps only the shorter M1 list, which the longer one displaces."""
    lists = [
        event_list(PN, 0, 1000, file="pn"),
        event_list(M1, 0, 2000, file="m1a"),
        event_list(M1, 1900, 2700, file="m1b"),
        event_list(M2, 2600, 4000, file="m2"),
    ]
    assert files(subsets(lists, span="union", minimum_span=500)[0]) == [["pn", "m1a"], ["m1b", "m2"]]


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.sampled_from(list(Camera)), st.integers(0, 40), st.integers(1, 40)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["common", "union"]),
    st.permutations(range(8)),
)
def test_every_list_ends_once_whatever_their_order(drawn, span, order):
    lists = [
        event_list(camera, 100.0 * start, 100.0 * (start + length), file=f"f{k}")
        for k, (camera, start, length) in enumerate(drawn)
    ]
    found, remarks = subsets(lists, span=span, minimum_span=500)
    ended = [name for names in files(found) for name in names] + [r.file for r in remarks]
    assert sorted(ended) == sorted(item.header.file for item in lists)
    for k, subset in enumerate(found):
        assert subset.number == k
        assert len(set(subset.cameras)) == len(subset.headers)
        assert subset.span >= 500
    assert [s.t0 for s in found] == sorted(s.t0 for s in found)
    shuffled = [lists[k] for k in order if k < len(lists)]
    again, _ = subsets(shuffled, span=span, minimum_span=500)
    assert files(again) == files(found)


def test_shifted_references_are_reprojected_to_the_first():
    pn = event_list(PN, file="pn")
    moved = event_list(M1, file="m1", reference_ra=150.0 + 20 / 3600, reference_dec=-11.0 + 10 / 3600)
    rng = np.random.default_rng(4)
    n = len(moved.events)
    moved = replace(moved, events=replace(
        moved.events, x=rng.integers(2000, 50000, n).astype("u2"), y=rng.integers(2000, 50000, n).astype("u2")
    ))  # fmt: skip
    found, remarks = subsets([moved, pn], minimum_span=500)
    assert [(r.outcome, r.file) for r in remarks] == [(Caution.MIXED_POINTING, "m1")]
    header = found[0].headers[1]
    assert (header.reference_ra, header.reference_dec) == (150.0, -11.0)
    mine = found[0].events.take(found[0].events.camera == M1)
    expected = _plane(150.0, -11.0).all_world2pix(
        _plane(header.reference_ra + 20 / 3600, -11.0 + 10 / 3600).all_pix2world(
            np.column_stack([moved.events.x, moved.events.y]).astype(float), 1
        ),
        1,
    )
    assert np.abs(np.column_stack([mine.x, mine.y]) - expected).max() <= 0.5 + 1e-6
    assert mine.x.dtype == np.uint16


def _plane(ra, dec):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [25921, 25921]
    wcs.wcs.cdelt = [-0.05 / 3600, 0.05 / 3600]
    return wcs


def test_events_that_leave_the_plane_are_dropped():
    edge = replace(event_list(M1), events=events([500.0, 600.0], M1, x=np.array([3, 51000]), y=25921))
    edge = replace(edge, header=replace(edge.header, reference_ra=150.0 + 30 / 3600))
    found, _ = subsets([event_list(PN), edge], minimum_span=500)
    assert (found[0].events.camera == M1).sum() == 1


@pytest.mark.parametrize(
    ("change", "n", "n_remarks"),
    [
        ({"reference_dec": -11.0 + 0.05 / 3600}, 1, 0),
        ({"reference_dec": -11.0 + 59 / 3600}, 1, 1),
        ({"reference_dec": -11.0 + 61 / 3600}, 2, 0),
        ({"mjdref": 50000.0}, 2, 0),
    ],
)
def test_distant_pointings_and_other_clocks_are_separate(change, n, n_remarks):
    found, remarks = subsets([event_list(PN), event_list(M1, **change)], minimum_span=500)
    assert len(found) == n
    assert len(remarks) == n_remarks


def test_another_span_is_refused():
    with pytest.raises(ValueError, match="span must be 'common' or 'union', not 'both'"):
        subsets([], span="both", minimum_span=500)


def test_no_lists_give_no_subsets():
    assert subsets([], minimum_span=500) == ([], [])


@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
def test_real_pairs_form_one_subset(shared_data, obsid):
    lists: list[EventList] = [
        select(read_event_list(shared_data / "xray" / f"xmm_{obsid}_mos{k}_clean_evts.fits"))[0]
        for k in (1, 2)
    ]
    (subset,), remarks = subsets(lists, minimum_span=500)
    assert remarks == []
    assert subset.cameras == (M1, M2)
    assert subset.t0 == max(item.header.start for item in lists)
    assert subset.t1 == min(item.header.stop for item in lists)
    times = np.concatenate([item.events.time for item in lists])
    assert len(subset.events) == np.count_nonzero((times >= subset.t0) & (times <= subset.t1))
    assert len(subset.events) > 0.98 * len(times)
