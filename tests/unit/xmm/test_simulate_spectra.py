"""Spectra: what is drawn follows the table that was given."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.xmm.simulate_spectra import FLARE_SPECTRUM, NOISE_SPECTRUM, SOURCE_SPECTRUM, Spectrum


@pytest.mark.parametrize(
    "spectrum", [SOURCE_SPECTRUM, FLARE_SPECTRUM, NOISE_SPECTRUM, Spectrum.black_body(0.2)]
)
def test_drawn_energies_follow_the_table(spectrum: Spectrum):
    energy = spectrum.draw(np.random.default_rng(2), 50_000).astype(float)
    low, high = spectrum.energies[0], spectrum.energies[-1]
    assert energy.min() >= low
    assert energy.max() <= high
    for cut in (low + 0.1 * (high - low), low + 0.5 * (high - low)):
        assert np.mean(energy < cut) == pytest.approx(spectrum.fraction(low, cut), abs=0.01)


def test_flat_table_has_equal_shares():
    flat = Spectrum.table([1000, 2000, 3000], [1, 1, 1])
    assert flat.fraction(1000, 1500) == pytest.approx(0.25)
    assert flat.fraction(0, 12000) == pytest.approx(1)


def test_flares_are_hard_and_sources_are_not():
    assert FLARE_SPECTRUM.fraction(10000, 12000) > 0.08
    assert SOURCE_SPECTRUM.fraction(10000, 12000) < 0.005
    assert SOURCE_SPECTRUM.fraction(200, 2000) > 0.5
    assert NOISE_SPECTRUM.energies[-1] < 200


def test_hotter_black_bodies_are_harder():
    shares = [Spectrum.black_body(kt).fraction(2000, 12000) for kt in (0.1, 0.5, 2.0)]
    assert shares == sorted(shares)


@pytest.mark.parametrize(
    ("energies", "density", "message"),
    [
        ([1000], [1], "energies must be two or more rising"),
        ([1000, 900], [1, 1], "energies must be two or more rising"),
        ([1000, np.nan], [1, 1], "energies must be two or more rising"),
        ([1000, 2000], [0, 0], "density must hold 2 numbers"),
        ([1000, 2000], [1, -1], "density must hold 2 numbers"),
        ([1000, 2000], [1], "density must hold 2 numbers"),
    ],
)
def test_impossible_tables_are_refused(energies, density, message):
    with pytest.raises(ValueError, match=message):
        Spectrum.table(energies, density)
