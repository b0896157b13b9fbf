"""Draws of events: numbers, positions and times are those that were asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ephemera.seeds import generator
from ephemera.xmm.observation import Camera
from ephemera.xmm.psf import King
from ephemera.xmm.simulate_instrument import build_instrument
from ephemera.xmm.simulate_photons import (
    OUT_OF_FIELD_FLAG,
    Photons,
    draw_background,
    draw_flares,
    draw_hot_pixels,
    draw_pixels,
    draw_sky,
    raw_to_detector,
)
from ephemera.xmm.simulate_scene import (
    NO_DEFECTS,
    NOMINAL_DEFECTS,
    Background,
    Burst,
    Eclipse,
    Exposure,
    Flare,
    Gap,
    Source,
)

START, DURATION = 1e8, 2000.0
CENTRE = Source(25921.0, 25921.0, 5.0)


def instrument(camera: Camera = Camera.PN, **options):
    settings = {"start": START, "duration": DURATION, "position_angle": 0.0, "defects": NO_DEFECTS}
    return build_instrument(Exposure(camera, "S001"), **(settings | options))


def sky(camera: Camera = Camera.PN, sources=(), bursts=(), eclipses=(), share=1.0, **options):
    rng = generator(3, camera.name)
    return draw_sky(
        instrument(camera, **options), rng, King(), start=START, share=share, sources=sources,
        bursts=bursts, eclipses=eclipses,
    )  # fmt: skip


def test_a_source_gives_its_counts():
    draw = sky(sources=[CENTRE, replace(CENTRE, rate=0.5)])
    assert draw.drawn[0] == pytest.approx(10_000, abs=500)
    assert draw.drawn[1] == pytest.approx(1000, abs=160)
    written = np.bincount(draw.photons.origin, minlength=2)
    assert np.all(written <= draw.drawn)
    assert np.all(written > 0.7 * draw.drawn)


def test_photons_lie_around_their_source():
    draw = sky(Camera.M2, sources=[CENTRE])
    camera = instrument(Camera.M2)
    photons = draw.photons
    x, y = camera.layout.to_sky(*raw_to_detector(camera, photons.ccd, photons.rawx, photons.rawy), 0.0)
    radius = np.hypot(x - CENTRE.x, y - CENTRE.y) / 20
    assert np.median(radius) == pytest.approx(7.5, abs=0.5)


def test_an_extended_source_is_wider():
    radii = []
    camera = instrument(Camera.M2)
    for extent in (0.0, 40.0):
        photons = sky(Camera.M2, sources=[replace(CENTRE, extent=extent)]).photons
        x, y = camera.layout.to_sky(*raw_to_detector(camera, photons.ccd, photons.rawx, photons.rawy), 0.0)
        radii.append(np.median(np.hypot(x - CENTRE.x, y - CENTRE.y)) / 20)
    assert radii[1] > 4 * radii[0]


def test_a_burst_comes_in_its_interval():
    draw = sky(bursts=[Burst(25921.0, 25921.0, 100.0, 25.0, 500.0)])
    assert draw.photons.time.min() >= START + 100
    assert draw.photons.time.max() <= START + 125
    assert draw.drawn[0] == pytest.approx(500, abs=110)


def test_an_eclipse_takes_its_share_away():
    eclipses = [Eclipse(0, 500.0, 400.0, 1.0), Eclipse(1, 500.0, 400.0, 0.5)]
    draw = sky(sources=[CENTRE, CENTRE], eclipses=eclipses)
    inside = (draw.photons.time >= START + 500) & (draw.photons.time < START + 900)
    counts = np.bincount(draw.photons.origin[inside], minlength=2)
    assert counts[0] == 0
    assert draw.removed[0] == pytest.approx(2000, abs=220)
    assert draw.removed[1] == pytest.approx(1000, abs=160)


def test_photons_in_gaps_and_off_the_detector_are_lost():
    gaps = [Gap(Camera.PN, 0, DURATION)]
    assert len(sky(bursts=[Burst(25921.0, 25921.0, 100.0, 25.0, 200.0)], gaps=gaps).photons) == 0
    outside = sky(sources=[Source(1000.0, 1000.0, 2.0)])
    assert outside.drawn[0] > 3000
    assert len(outside.photons) < 0.01 * outside.drawn[0]


def test_out_of_time_events_keep_their_column():
    photons = sky(sources=[replace(CENTRE, rate=20.0)]).photons
    late = photons.take(photons.out_of_time)
    assert len(late) / len(photons) == pytest.approx(0.063, abs=0.01)
    assert np.ptp(late.rawy) > 150
    main = photons.take(~photons.out_of_time)
    assert abs(np.median(late.rawx) - np.median(main.rawx)) <= 2
    assert not sky(Camera.M1, sources=[CENTRE]).photons.out_of_time.any()


def test_flares_come_in_all_ccds_and_are_hard():
    photons = draw_flares(instrument(), generator(0), [Flare(200.0, 300.0, 50.0)], start=START, share=0.6)
    assert len(photons) == pytest.approx(9000, abs=500)
    assert photons.time.min() >= START + 200
    assert photons.time.max() <= START + 500
    assert set(photons.ccd) == set(range(1, 13))
    assert np.mean((photons.pi >= 10000) & (photons.pi <= 12000)) > 0.08


def test_hot_pixels_are_single_and_soft():
    camera = instrument(defects=NOMINAL_DEFECTS)
    photons = draw_hot_pixels(camera, generator(0), NOMINAL_DEFECTS)
    assert not photons.pattern.any()
    assert photons.pi.max() <= 420
    hot = set(map(tuple, camera.hot.tolist()))
    columns = {(4, 12), (5, 11), (10, 28)}
    for pixel in zip(photons.ccd.tolist(), photons.rawx.tolist(), photons.rawy.tolist(), strict=True):
        assert pixel in hot or pixel[:2] in columns
    assert len(draw_hot_pixels(instrument(), generator(0), NO_DEFECTS)) == 0


def test_background_is_exact_in_number_and_made_of_its_parts():
    camera = instrument(gaps=[Gap(Camera.PN, 500, 300)])
    background = Background(noise=0.3, bad_flag=0.1, bad_pattern=0.2, particles=0.5)
    photons = draw_background(camera, generator(0), background, 20_000, 1e-3)
    assert len(photons) == 20_000
    assert camera.is_live(photons.ccd, photons.rawx, photons.rawy).all()
    assert camera.on_time(photons.ccd, photons.time).all()
    assert np.mean(photons.pi < 200) == pytest.approx(0.3, abs=0.02)
    assert np.mean(photons.flag & 0x0CFA0000 != 0) == pytest.approx(0.1, abs=0.01)
    assert np.mean(photons.pattern > 4) == pytest.approx(0.2, abs=0.02)
    assert photons.null.sum() == 20
    detx, dety = raw_to_detector(camera, photons.ccd, photons.rawx, photons.rawy)
    outside = photons.flag & OUT_OF_FIELD_FLAG != 0
    np.testing.assert_array_equal(outside, ~camera.layout.in_field(detx, dety))
    assert outside.any()


def test_background_needs_room_for_valid_events():
    with pytest.raises(ValueError, match="background must have shares"):
        draw_background(instrument(), generator(0), Background(noise=0.9, bad_flag=0.2), 10, 0.0)


def test_pixels_follow_their_weight():
    camera = instrument()
    pixel = draw_pixels(camera, generator(0), 20_000, lambda detx, dety: (detx > 0) * np.ones_like(dety))
    detx, _ = raw_to_detector(camera, *pixel)
    assert np.all(detx > 0)
    with pytest.raises(ValueError, match="instrument must have live pixels"):
        draw_pixels(camera, generator(0), 5, lambda detx, dety: 0.0 * detx * dety)


def test_joined_photons_keep_all_columns():
    photons = sky(sources=[CENTRE]).photons
    joined = Photons.join([photons, photons])
    assert len(joined) == 2 * len(photons)
    again = joined.take(np.arange(len(photons)))
    for name in Photons.COLUMNS:
        np.testing.assert_array_equal(getattr(again, name), getattr(photons, name))
