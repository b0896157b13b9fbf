"""Units, bands and ranges that users write."""

import numpy as np
import pytest

from ephemera.jwst.bands import make_bands
from ephemera.jwst.observation import BJD_TDB, SCALE_NAMES
from ephemera.jwst.problems import RangeError, Unusable
from ephemera.jwst.ranges import range_slice
from ephemera.jwst.units import flux_factor, flux_unit, kind, wavelength_unit


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("um", [1], ("um", False)),
        ("microns", [1], ("um", False)),
        ("nm", [1000], ("nm", False)),
        ("", [0.6, 5], ("um", True)),
        ("", [600, 5000], ("nm", True)),
        ("", [60000, 90000], ("Angstrom", True)),
        ("None", [2, np.nan, 0], ("um", True)),
    ],
)
def test_wavelength_units(name, values, expected):
    assert wavelength_unit(name, values) == expected


def test_unknown_wavelength_unit():
    with pytest.raises(Unusable, match="furlong"):
        wavelength_unit("furlong", [1])


def test_flux_units_are_never_assumed():
    assert flux_unit("MJy") == "MJy"
    assert flux_unit("mJy") == "mJy"
    assert flux_unit("ELECTRONS") == "electron"
    assert flux_unit("DN/s") == "DN/s"
    assert flux_unit("") == "unknown"
    assert kind("Jy") == kind("MJy") != kind("DN/s")


def test_flux_factors():
    wave = np.array([1.0, 2.0])
    assert flux_factor("Jy", "mJy", wave).tolist() == [1000, 1000]
    assert flux_factor("Jy", "W m-2 Hz-1", wave) == pytest.approx([1e-26] * 2)
    assert flux_factor("Jy", "erg s-1 cm-2 Hz-1", wave) == pytest.approx([1e-23] * 2)
    assert flux_factor("Jy", "W m-2 um-1", wave) == pytest.approx([2.99792458e-12, 2.99792458e-12 / 4])
    assert flux_factor("Jy", "erg s-1 cm-2 Angstrom-1", wave)[0] == pytest.approx(2.99792458e-13)
    assert flux_factor("DN/s", "native", wave).tolist() == [1, 1]


def test_flux_of_different_kinds_is_refused():
    with pytest.raises(ValueError, match=r"DN/s cannot be shown in Jy; allowed: DN/s, native"):
        flux_factor("DN/s", "Jy", np.ones(2))


def test_bands():
    bands, warnings = make_bands(
        [
            {"name": "Water Band", "start": 2.5, "end": 3.0},
            {"name": "Methane", "start": 3.5, "end": 3.2},
            {"name": "Methane", "start": 1, "end": 2},
        ]
    )
    assert [(b.name, b.start, b.end) for b in bands] == [
        ("Water Band", 2.5, 3.0),
        ("Methane", 3.2, 3.5),
        ("Methane 2", 1, 2),
    ]
    assert len(warnings) == 2
    assert bands[0].channels(np.array([2.4, 2.5, 3.0, 3.01])).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "entry",
    [
        {"name": "", "start": 1, "end": 2},
        {"name": "x" * 41, "start": 1, "end": 2},
        {"name": "a", "start": float("nan"), "end": 2},
        {"name": "a", "start": 2, "end": 2},
    ],
)
def test_wrong_bands_are_refused(entry):
    with pytest.raises(ValueError, match="band"):
        make_bands([entry])


def test_ranges_are_inclusive_and_open():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    assert range_slice(values, [2, 3], "time", "h") == slice(1, 3)
    assert range_slice(values, [None, 2], "time", "h") == slice(0, 2)
    assert range_slice(values, None, "time", "h") == slice(0, 4)


@pytest.mark.parametrize("limits", [[5, 6], [3, 3], [4, 2], [2.1, 2.2]])
def test_empty_ranges_name_what_is_available(limits):
    with pytest.raises(RangeError, match="from 1 to 4 h is available"):
        range_slice(np.array([1.0, 2.0, 3.0, 4.0]), limits, "time", "h")


def test_scale_names():
    assert SCALE_NAMES[BJD_TDB] == "BJD_TDB - 2400000.5"
    assert SCALE_NAMES["MJD_UTC"] == "MJD_UTC (not barycentred)"


def test_a_flux_unit_hangs_on_the_case_of_its_letters():
    assert [flux_unit(name) for name in ("MJY", "mjy", "JY")] == ["MJY", "mjy", "Jy"]


def test_no_band_takes_the_name_of_the_white_light():
    bands, warnings = make_bands([{"name": "white", "start": 1, "end": 2}])
    assert [band.name for band in bands] == ["white 2"]
    assert warnings == ["the name 'white' is taken: that band is called 'white 2'"]
