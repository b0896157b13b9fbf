"""Injection into events: what is drawn, what is lost, what is kept, and that real events stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.sky import tan
from ephemera.xmm.detector_places import places_of
from ephemera.xmm.inject import inject
from ephemera.xmm.injection import Injection
from ephemera.xmm.injection_columns import INJECTIONS
from ephemera.xmm.injection_match import plane_position
from ephemera.xmm.observation import Camera, Events, Subset
from ephemera.xmm.psf import NOMINAL_PSF
from ephemera.xmm.simulate_spectra import Spectrum
from xmm_cubes import header_of

T0, T1 = 1000.0, 3000.0
#: CCD 1 ends and CCD 2 begins here: a gap of 30 arcsec.
EDGE, NEXT = 25600, 26200


def field(cameras=(Camera.M1,), number=20000, seed=1, source=0) -> Subset:
    """Events even over two CCDs with a gap between them, and `source` of a point source on CCD 1."""
    rng = np.random.default_rng(seed)
    parts = []
    for camera in cameras:
        x = rng.integers(20000, 32000, number)
        x = np.where((x > EDGE) & (x < NEXT), x - 3000, x)
        y = rng.integers(20000, 32000, number)
        dx, dy = NOMINAL_PSF.offsets(rng, source)
        x, y = np.append(x, np.rint(22000 + dx / 0.05)), np.append(y, np.rint(26000 + dy / 0.05))
        ccd = np.where(x < 25900, 1, 2)
        rawx, rawy = (x - np.where(ccd == 1, 19900, 26100)) // 22 + 1, (y - 19900) // 22 + 1
        parts.append(
            Events(
                time=T0 + (T1 - T0) * rng.random(len(x)), x=x.astype("u2"), y=y.astype("u2"),
                pi=rng.integers(200, 12000, len(x)).astype("u2"), ccd=ccd.astype("u1"),
                rawx=rawx.astype("u2"), rawy=rawy.astype("u2"), detx=(x - 25921).astype("i2"),
                dety=(y - 25921).astype("i2"), camera=np.full(len(x), camera, "u1"),
            )
        )  # fmt: skip
    headers = tuple(
        replace(header_of(c), start=T0, stop=T1, kept_ccds=(1, 2), good_time={k: whole() for k in (1, 2)})
        for c in cameras
    )
    return Subset(0, T0, T1, headers, Events.merge(parts))


def whole():
    return np.array([[T0, T1]])


def burst(subset, x=22000.0, y=26000.0, **options) -> Injection:
    header = subset.headers[0]
    ra, dec = tan.to_sky(np.array([x]), np.array([y]), header.reference_ra, header.reference_dec)
    values = {"t_peak": 2000.0, "duration": 100.0}
    if options.get("shape") != "eclipse" and "rate" not in options:
        values["fluence"] = 100.0
    return Injection(ra=float(ra[0]), dec=float(dec[0]), **(values | options))


@pytest.fixture(scope="module")
def one_camera():
    return field()


@pytest.fixture(scope="module")
def places(one_camera):
    return places_of(one_camera)


def kept_of(subset, items, places=None, trials=1, **options):
    return np.array(
        [inject(subset, items, 5, trial=k, places=places, **options).truth["n_kept"] for k in range(trials)]
    )


def test_the_same_seed_gives_the_same_events_in_any_order(one_camera, places):
    items = [burst(one_camera), burst(one_camera, 30000.0, shape="fred", rate=0.5)]
    runs = [inject(one_camera, items, 7, trial=k, places=places) for k in (0, 1, 0)]
    for name in Events.COLUMNS:
        assert np.array_equal(getattr(runs[0].subset.events, name), getattr(runs[2].subset.events, name))
    assert not np.array_equal(runs[0].subset.events.time, runs[1].subset.events.time)
    alone = inject(one_camera, items[:1], 7, places=places_of(one_camera))
    assert np.array_equal(alone.events_of[0].time, runs[0].events_of[0].time)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["box", "gaussian", "fred"]), st.floats(0, 300))
def test_no_real_event_is_lost_and_those_kept_are_added_in_order_of_time(
    one_camera, places, seed, shape, fluence
):
    made = inject(one_camera, [burst(one_camera, shape=shape, fluence=fluence)], seed, places=places)
    kept = int(made.truth["n_kept"][0])
    assert len(made.subset.events) == len(one_camera.events) + kept
    assert kept <= made.truth["n_drawn"][0]
    assert np.all(np.diff(made.subset.events.time) >= 0)
    assert np.isin(one_camera.events.time, made.subset.events.time).all()
    assert INJECTIONS.names[4:6] == ("kind", "shape")
    table = {n: made.truth.get(n, np.full(1, None)) for n in INJECTIONS.names}
    assert len(INJECTIONS.arrow(table)) == 1


def test_counts_are_poisson_with_the_fluence_times_what_is_visible(one_camera, places):
    inside = kept_of(one_camera, [burst(one_camera)], places, 200)
    assert inside.mean() == pytest.approx(100, abs=5 * 10 / np.sqrt(200))
    assert inside.var() == pytest.approx(100, rel=0.5)
    half = kept_of(one_camera, [burst(one_camera, t_peak=T1)], places, 200)
    assert half.mean() == pytest.approx(50, abs=5 * np.sqrt(50 / 200))
    assert kept_of(one_camera, [burst(one_camera, t_peak=T1 + 500)], places, 5).sum() == 0


def test_cameras_share_the_counts_by_their_area():
    three = field((Camera.PN, Camera.M1, Camera.M2), 5000)
    places = places_of(three)
    made = [inject(three, [burst(three, fluence=200.0)], 3, trial=k, places=places) for k in range(50)]
    counts = np.array([[m.truth[f"n_{c}"][0] for c in ("pn", "m1", "m2")] for m in made]).sum(axis=0)
    assert counts == pytest.approx(50 * np.array([120, 40, 40]), abs=5 * np.sqrt(6000))


def test_what_falls_into_a_gap_on_a_masked_pixel_or_into_off_time_is_lost(one_camera):
    gap = burst(one_camera, (EDGE + NEXT) / 2, fluence=400.0)
    share = kept_of(one_camera, [gap], trials=10).mean() / 400
    # Beyond 15 arcsec on either side: what a King profile has outside a strip of this width.
    r = np.abs(NOMINAL_PSF.offsets(np.random.default_rng(0), 100000)[0])
    assert share == pytest.approx(np.mean(r > 15), abs=0.04)
    off = replace(
        one_camera, headers=(replace(one_camera.headers[0], good_time={1: whole()[:0], 2: whole()}),)
    )
    # The far wings of the profile reach the other CCD now and then.
    assert kept_of(off, [burst(off)], trials=3).sum() <= 6
    legal = np.ones((8, 612, 612), bool)
    legal[1] = False
    assert kept_of(one_camera, [burst(one_camera)], places_of(one_camera, {Camera.M1: legal})).sum() <= 3


def test_a_list_without_good_times_counts_from_its_start_to_its_stop(one_camera):
    header = replace(one_camera.headers[0], good_time={}, start=T0, stop=2000.0)
    half = replace(one_camera, headers=(header,))
    kept = kept_of(half, [burst(half, t_peak=2000.0)], trials=50)
    assert kept.mean() == pytest.approx(50, abs=5 * np.sqrt(50 / 50))


def test_beyond_the_field_nothing_is_kept(one_camera, places):
    assert kept_of(one_camera, [burst(one_camera, 10000.0)], places).sum() == 0


def test_detector_coordinates_are_those_of_the_nearest_event_moved_by_the_plate_scale(one_camera, places):
    events = inject(one_camera, [burst(one_camera, fluence=300.0)], 1, places=places).events_of[0]
    events = events.take(events.x < EDGE)
    expected = (events.x.astype(int) - 19900) // 22 + 1
    assert np.abs(events.rawx.astype(int) - expected).max() <= 2
    assert (events.ccd == 1).all()
    assert np.abs(events.detx.astype(int) - (events.x.astype(int) - 25921)).max() <= 3
    assert len(set(zip(events.rawx.tolist(), events.rawy.tolist(), strict=True))) > 30


def test_a_pixel_of_20_arcsec_holds_the_share_of_the_profile(one_camera, places):
    x, y = plane_position(one_camera, burst(one_camera).ra, burst(one_camera).dec)
    made = inject(one_camera, [burst(one_camera, fluence=20000.0)], 2, places=places).events_of[0]
    inside = (np.abs(made.x - x) <= 200) & (np.abs(made.y - y) <= 200)
    assert inside.mean() == pytest.approx(0.6374, abs=0.02)


def test_energies_follow_the_spectrum_and_the_cut(one_camera, places):
    line = Spectrum.table([100, 300], [1.0, 1.0])
    made = inject(one_camera, [burst(one_camera, fluence=4000.0, spectrum=line)], 2, places=places)
    energies = made.events_of[0].pi
    assert energies.min() >= 200
    assert energies.max() <= 300
    assert made.truth["n_kept"][0] == pytest.approx(2000, abs=250)


@pytest.mark.parametrize("depth", [0.0, 0.4, 1.0])
def test_an_eclipse_takes_photons_of_its_source_with_the_probability_depth(one_camera, places, depth):
    item = burst(one_camera, shape="eclipse", rate=2.0, depth=depth, duration=600.0)
    made = inject(one_camera, [item], 4, places=places)
    time = made.events_of[0].time
    during = int(((time >= item.start) & (time < item.stop)).sum())
    removed = int(made.truth["n_removed"][0])
    assert made.truth["n_kept"][0] == during
    assert during == pytest.approx((1 - depth) * 1200, abs=5 * np.sqrt(1200) * max(1 - depth, 0.01))
    assert removed == pytest.approx(depth * 1200, abs=5 * np.sqrt(1200) * max(depth, 0.01))
    assert len(time) - during == pytest.approx(2.0 * 1400, abs=5 * np.sqrt(2800))


def test_an_eclipse_of_a_source_that_is_there_takes_its_events_and_spares_the_background():
    subset = field(source=3000)
    item = burst(subset, shape="eclipse", depth=1.0, duration=1000.0)
    made = inject(subset, [item], 6)
    left, events = made.subset.events, subset.events
    assert len(left) == len(events) - made.truth["n_removed"][0]
    assert made.truth["n_removed"][0] == pytest.approx(1500, rel=0.12)
    far = np.hypot(events.x - 22000.0, events.y - 26000.0) > 1250
    assert len(left) - np.count_nonzero(np.hypot(left.x - 22000.0, left.y - 26000.0) <= 1250) == far.sum()


def test_nothing_injected_changes_nothing(one_camera):
    made = inject(one_camera, [], 0)
    assert made.subset.events is one_camera.events
    assert len(made.truth["id"]) == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"shape": "square"}, "shape must be one of box, gaussian, fred, eclipse, got 'square'"),
        ({"duration": 0.0}, "duration must be a positive number of seconds, got 0.0"),
        ({"depth": 1.5}, r"depth must lie in 0\.\.1, got 1.5"),
        ({"fluence": -1.0}, "fluence and rate must be numbers >= 0"),
        ({"rate": 1.0}, "a burst has either a fluence or a rate"),
        ({"shape": "eclipse"}, "an eclipse has a rate"),
        ({"t_peak": float("nan")}, "ra, dec and t_peak must be finite"),
    ],
)
def test_injections_that_make_no_sense_are_refused(wrong, message):
    good = {"ra": 1.0, "dec": 2.0, "t_peak": 0.0, "duration": 10.0, "fluence": 5.0}
    with pytest.raises(ValueError, match=message):
        Injection(**(good | wrong))
