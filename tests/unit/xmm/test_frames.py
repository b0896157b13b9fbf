import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.event_lists import events, header, subset
from ephemera.xmm.bti import bad_times
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.frames import Frames, base_frame, base_step, classes, make_frames
from ephemera.xmm.observation import EPIC, Subset
from ephemera.xmm.selection import select
from ephemera.xmm.subsets import subsets

PN, M1, M2 = EPIC
NONE = np.empty((0, 2))


def numbers(mask):
    return np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(
    ("dts", "step"),
    [([5, 50, 200], 5), ([5], 5), ([0.5, 50], 0.5), ([300, 200], 100), ([1.5, 0.4], 0.1), ([0.001], 0.001)],
)
def test_the_base_step_divides_all(dts, step):
    assert base_step(dts) == step


@pytest.mark.parametrize("dts", [[0], [-5], [0.0734], [np.nan], [np.inf], [5, 0.0001]])
def test_a_frame_length_that_is_no_whole_millisecond_is_refused(dts):
    with pytest.raises(ValueError, match="whole milliseconds"):
        base_step(dts)


def test_no_frame_length_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        base_step([])


@settings(max_examples=60)
@given(
    st.floats(0, 9e8),
    st.floats(1, 3000),
    st.lists(st.floats(0, 1), max_size=50),
    st.sampled_from([0.5, 5, 7]),
)
def test_every_event_lies_in_its_frame(t0, span, shares, step):
    t1 = t0 + span
    time = np.minimum(t0 + span * np.array([0.0, 1.0, *shares]), t1)
    frame = base_frame(time, t0, t1, step)
    edges = make_frames(subset([header(start=t0, stop=t1)], events([t0])), step, NONE).edges
    assert frame.dtype == np.int32
    assert frame.min() == 0
    assert frame.max() == len(edges) - 2
    assert (edges[frame] <= time + 1e-6).all()
    assert (time <= edges[frame + 1] + 1e-6).all()
    for factor in (2, 10):
        coarse = base_frame(time, t0, t1, factor * step)
        n = make_frames(subset([header(start=t0, stop=t1)], events([t0])), factor * step, NONE).n_frames
        exact = np.abs((time - t0) / (factor * step) % 1 - 0.5) < 0.499999
        np.testing.assert_array_equal((frame // factor)[exact], coarse[exact])
        assert (frame // factor).max() == n - 1


def test_an_event_at_the_end_is_in_the_last_frame():
    assert base_frame(np.array([0.0, 4.9, 5.0, 9.9, 10.0]), 0, 10, 5).tolist() == [0, 0, 1, 1, 1]
    assert base_frame(np.empty(0), 0, 10, 5).tolist() == []


def test_events_outside_the_span_are_refused():
    with pytest.raises(ValueError, match="time must lie in"):
        base_frame(np.array([1.0, 11.0]), 0, 10, 5)
    with pytest.raises(ValueError, match="time must lie in"):
        base_frame(np.array([np.nan]), 0, 10, 5)


def whole(camera=PN, stop=1000.0, ccds=(1, 2, 3), **changes):
    return header(camera, 0, stop, **({"good_time": {c: [[0, stop]] for c in ccds}} | changes))


def test_full_exposure_is_exactly_one_and_the_last_frame_is_partial():
    for t0 in (0.0, 6.5e8 + 0.123456):
        own = header(start=t0, stop=t0 + 1010, good_time={1: [[t0, t0 + 1010]]})
        frames = make_frames(subset([own], events([t0 + 1])), 20, NONE)
        assert frames.n_frames == 51
        assert frames.exposed[:50].tolist() == [1.0] * 50
        assert frames.exposed[50] == pytest.approx(0.5, abs=1e-7)
        assert frames.edges[-1] == t0 + 1010
        assert frames.good.all()
        assert (frames.dt, frames.t0, frames.t1) == (20, t0, t0 + 1010)


def test_a_last_frame_below_a_tenth_is_not_used():
    frames = make_frames(subset([whole(stop=1001)], events([1.0])), 20, NONE)
    assert numbers(frames.bccd) == [50]
    assert frames.exposed[50] == 0


@pytest.mark.parametrize("dt", [0.5, 300, 5000])
def test_unusual_frame_lengths(dt):
    frames = make_frames(subset([whole()], events([1.0])), dt, NONE)
    assert frames.n_frames == int(np.ceil(1000 / dt))
    assert (frames.exposed * dt).sum() == pytest.approx(1000)


def test_exposure_is_the_mean_over_ccds_and_cameras():
    pn = header(PN, good_time={1: [[0, 1000]], 2: [[0, 1000]]})
    mos = header(M1, good_time={1: [[0, 960]], 2: [[0, 940]], 3: [[0, 1000]]})
    frames = make_frames(subset([mos, pn], events([1.0]), 0, 1000), 100, NONE)
    assert frames.camera_exposed.shape == (2, 10)
    np.testing.assert_allclose(frames.camera_exposed[:, 9], [1, (0.6 + 0.4 + 1) / 3])
    np.testing.assert_allclose(frames.exposed[9], (1 + 2 / 3) / 2)


def test_flare_cut_good_times_and_not_the_detectors_set_the_exposure():
    cut = {ccd: [[0, 300], [420, 1000]] for ccd in (1, 2, 3)}
    frames = make_frames(subset([header(good_time=cut)], events([1.0])), 100, NONE)
    np.testing.assert_allclose(frames.exposed, [1, 1, 1, 0, 0.8, 1, 1, 1, 1, 1])
    assert numbers(frames.bccd) == [3]


def test_a_camera_that_is_off_makes_a_frame_bad_only_in_common_span():
    pn, mos = whole(PN), header(M1, good_time={1: [[0, 300], [500, 1000]]})
    both = subset([pn, mos], events([1.0]), 0, 1000)
    common = make_frames(both, 100, NONE)
    assert numbers(common.bccd) == [3, 4]
    assert common.exposed[[3, 4]].tolist() == [0, 0]
    union = make_frames(both, 100, NONE, span="union")
    assert numbers(union.bccd) == []
    np.testing.assert_allclose(union.exposed[[2, 3]], [1, 0.5])


def test_a_ccd_off_makes_its_frames_and_the_one_before_bad():
    good = {ccd: [[0, 1000]] for ccd in range(1, 13)} | {5: [[0, 400], [600, 1000]]}
    own = subset([header(good_time=good)], events([1.0]))
    assert numbers(make_frames(own, 100, NONE).bccd) == [3, 4, 5]
    assert numbers(make_frames(own, 100, NONE, mask_before=False).bccd) == [4, 5]
    frames = make_frames(own, 100, NONE, mask_partial_ccd=False)
    assert numbers(frames.bccd) == []
    np.testing.assert_allclose(frames.exposed[4], 11 / 12)


def test_a_bad_first_frame_does_not_reach_round_to_the_last():
    good = {ccd: [[0, 1000]] for ccd in range(1, 13)} | {5: [[200, 1000]]}
    frames = make_frames(subset([header(good_time=good)], events([1.0])), 100, NONE)
    assert numbers(frames.bccd) == [0, 1]


def test_ccds_lost_for_good_make_no_frame_bad():
    mos = whole(M1, ccds=(1, 2, 4, 5, 7))
    pn = whole(PN, ccds=range(4, 13))
    assert not make_frames(subset([pn, mos], events([1.0])), 5, NONE).bccd.any()


def flaring_pn(weak=(), ccds=range(1, 13)):
    """PN counts of 10 in each CCD and frame of 100 s, 1 in quadrant 2 in `weak` frames."""
    time, ccd = [], []
    for frame in range(10):
        for c in ccds:
            n = 1 if frame in weak and c in (4, 5, 6) else 10
            time += [100 * frame + 50.0] * n
            ccd += [c] * n
    order = np.argsort(time, kind="stable")
    return events(np.array(time)[order], ccd=np.array(ccd)[order])


def test_a_weak_quadrant_counts_in_flares_only():
    own = subset([whole(ccds=range(1, 13))], flaring_pn(weak=(2, 6)))
    frames = make_frames(own, 100, np.array([[500.0, 1000.0]]))
    assert numbers(frames.bccd) == [5, 6]
    assert numbers(frames.bti) == [5, 6, 7, 8, 9]
    assert numbers(make_frames(own, 100, np.array([[500.0, 1000.0]]), mask_before=False).bccd) == [6]


def test_without_good_times_counts_tell_what_was_off():
    photons = flaring_pn()
    gone = (photons.ccd == 7) & (photons.time > 400) & (photons.time < 600)
    own = subset([header(PN, kept_ccds=tuple(range(1, 13)))], photons.take(~gone))
    assert numbers(make_frames(own, 100, NONE, mask_before=False).bccd) == []
    brighter = photons.take(np.tile(np.flatnonzero(~gone), 2))
    brighter = brighter.take(np.argsort(brighter.time, kind="stable"))
    own = subset([header(PN, kept_ccds=tuple(range(1, 13)))], brighter)
    assert numbers(make_frames(own, 100, NONE, mask_before=False).bccd) == [4, 5]


def test_without_good_times_a_silent_camera_is_off():
    pn = flaring_pn()
    mos_times = pn.time[(pn.time < 300) | (pn.time > 500)]
    photons = pn.merge([pn, events(mos_times, M1)])
    headers = [whole(PN), header(M1, 0, 1000, kept_ccds=(1,))]
    both = subset(headers, photons)
    assert numbers(make_frames(both, 100, NONE).bccd) == [3, 4]
    union = make_frames(both, 100, NONE, span="union")
    assert numbers(union.camera_exposed[1] == 0) == [3, 4]
    assert numbers(union.bccd) == []


def test_a_jump_in_time_is_a_gap_and_costs_no_memory():
    time = np.concatenate([np.linspace(0, 1000, 2000), np.linspace(101_000, 102_000, 2000)])
    own = subset([header(PN, 0, 102_000, kept_ccds=(1,))], events(time))
    frames = make_frames(own, 5, NONE)
    assert frames.n_frames == 20_400
    assert numbers(frames.usable) == [*range(200), *range(20_200, 20_400)]
    jumped = {1: [[0, 1000], [101_000, 102_000]]}
    own = subset([header(PN, 0, 102_000, good_time=jumped)], events(time))
    assert numbers(make_frames(own, 5, NONE).usable) == numbers(frames.usable)


def test_bad_times_and_good_time_only():
    own = subset([whole()], events([1.0]))
    bad = np.array([[100.0, 250.0], [540.0, 600.0], [770.0, 810.0]])
    frames = make_frames(own, 100, bad)
    assert numbers(frames.bti) == [1, 2, 5]
    assert numbers(frames.bccd) == []
    assert numbers(frames.good) == [0, 3, 4, 6, 7, 8, 9]
    assert numbers(make_frames(own, 100, bad, bti_min_overlap=0.3).bti) == [1, 2, 5, 7]
    only = make_frames(own, 100, bad, gti_only=True)
    assert numbers(only.usable) == numbers(frames.good)
    assert only.exposed.sum() == 7


def test_classes_of_common_span():
    frames = make_frames(subset([whole(stop=1001)], events([1.0])), 100, np.array([[100.0, 200.0]]))
    assert classes(frames).tolist() == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, -1]
    assert classes(frames).dtype == np.int8


def test_classes_of_union_span_are_pairs_for_each_set_of_cameras():
    exposed = np.array([[1, 1, 0, 1, 0, 1.0], [1, 1, 1, 0, 0, 1], [1, 0, 1, 0, 0, 1]])
    bti = np.array([False, True, False, False, False, True])
    bccd = np.array([False, False, False, False, True, False])
    frames = Frames(1.0, 0.0, 6.0, exposed.mean(axis=0), exposed, bccd, bti)
    assert classes(frames, "union").tolist() == [0, 3, 4, 6, -1, 1]


def real_subset(shared_data, obsid) -> Subset:
    paths = [shared_data / "xray" / f"xmm_{obsid}_mos{k}_clean_evts.fits" for k in (1, 2)]
    (found,), _ = subsets([select(read_event_list(p))[0] for p in paths], minimum_span=500)
    return found


@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
@pytest.mark.parametrize("dt", [5, 50, 200])
def test_real_flare_cut_lists(shared_data, obsid, dt):
    """Exposure follows the good times after the flare cut, and every event lies in exposed time."""
    own = real_subset(shared_data, obsid)
    frames = make_frames(own, dt, NONE, mask_partial_ccd=False, span="union")
    for k, head in enumerate(own.headers):
        inside = [np.clip(table, own.t0, own.t1) for table in head.good_time.values()]
        expected = np.mean([np.diff(table, axis=1).sum() for table in inside])
        used = frames.camera_exposed[k].sum() * dt
        # What is missing lies in frames with an exposure below a tenth.
        assert expected - 0.1 * dt * frames.bccd.sum() <= used <= expected + 1e-3
        assert used < 0.75 * own.span
    frame = base_frame(own.events.time, own.t0, own.t1, dt)
    assert (frames.bccd[frame]).mean() < 0.01
    seconds = np.bincount(frame, minlength=frames.n_frames)[frames.exposed == 1]
    assert seconds.mean() > 3 * dt


@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
def test_real_lists_lose_little_to_partial_exposure(shared_data, obsid):
    own = real_subset(shared_data, obsid)
    free = make_frames(own, 50, NONE, mask_partial_ccd=False)
    masked = make_frames(own, 50, NONE)
    assert (masked.bccd & ~free.bccd).sum() <= 0.02 * free.usable.sum()
    found = bad_times(own, 50)
    assert found.intervals.shape[1] == 2
    assert np.isnan(found.curve.rate).any()
    flagged = make_frames(own, 50, found.intervals)
    # The last frame is shorter than the others.
    assert flagged.bti.sum() <= np.diff(found.intervals, axis=1).sum() / 25 + 1
