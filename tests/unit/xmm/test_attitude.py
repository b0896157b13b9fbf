"""Drift of the pointing from the attitude time series, and what becomes of it among the candidates."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from astropy.io import fits

from ephemera.xmm.attitude import AttitudeUnreadable, drift, read_attitude
from ephemera.xmm.bad_candidates import drifting, named
from ephemera.xmm.events import attitude_drift
from ephemera.xmm.observation import Events
from ephemera.xmm.outcomes import Outcome
from xmm_cubes import subset_of


def attitude(ra, dec, angle, time=None):
    n = len(ra)
    time = np.arange(n, dtype=float) if time is None else time
    return {"TIME": time, "AHFRA": np.array(ra), "AHFDEC": np.array(dec), "AHFPA": np.array(angle)}


def save(path, columns, name="ATTHK"):
    table = [fits.Column(key, "D", array=values) for key, values in columns.items()]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(table, name=name)]).writeto(path)
    return path


def test_a_steady_telescope_does_not_drift():
    found = drift(attitude([10.0] * 50, [20.0] * 50, [100.0] * 50), 0, 49)
    assert found.pointing_arcsec == pytest.approx(0, abs=1e-6)
    assert found.angle_deg == pytest.approx(0, abs=1e-9)


def test_a_drift_over_ra_zero_and_over_angle_zero_is_small():
    ra = (np.linspace(-10, 10, 201) / 3600) % 360
    angle = np.linspace(-0.5, 0.5, 201) % 360
    found = drift(attitude(ra, np.zeros(201), angle), 0, 200)
    assert found.pointing_arcsec == pytest.approx(10, rel=0.02)
    assert found.angle_deg == pytest.approx(0.5, rel=0.02)


def test_single_wrong_records_nulls_and_other_times_do_not_count():
    ra = np.full(1000, 10.0)
    ra[5], ra[7] = 50.0, np.nan
    ra[900:] = 11.0
    found = drift(attitude(ra, np.zeros(1000), np.zeros(1000)), 0, 899)
    assert found.pointing_arcsec == pytest.approx(0, abs=1e-6)
    assert found.n_samples == 899
    assert drift(attitude(ra, np.zeros(1000), np.zeros(1000)), 5000, 6000) is None


def test_the_product_is_read_and_anything_else_says_what_is_wrong(tmp_path):
    columns = attitude([1.0, 2.0], [3.0, 4.0], [5.0, 6.0])
    read = read_attitude(save(tmp_path / "att.fits", columns))
    np.testing.assert_array_equal(read["AHFDEC"], [3.0, 4.0])
    with pytest.raises(AttitudeUnreadable, match="no table with columns TIME, AHFRA"):
        read_attitude(save(tmp_path / "other.fits", {"TIME": np.zeros(2)}))
    (tmp_path / "page.fits").write_text("<html></html>")
    with pytest.raises(AttitudeUnreadable, match="page"):
        read_attitude(tmp_path / "page.fits")


def test_an_unreadable_series_is_an_outcome_and_the_observation_goes_on(tmp_path):
    (tmp_path / "bad.fits").write_text("no FITS")
    subset = subset_of(Events.empty(), 0.0, 1.0)
    assert attitude_drift("0000000001", [], [subset]) == (None, [])
    found, rows = attitude_drift("0000000001", [tmp_path / "bad.fits"], [subset])
    assert found is None
    assert [row.outcome for row in rows] == [Outcome.BAD_FILE]


def test_only_what_drifts_too_far_is_a_candidate():
    rows = drifting("0000000001", {"pointing": 11.0, "position angle": 0.05}, 10.0, 0.1)
    assert [(row["reason"], row["evidence"]) for row in rows] == [
        ("moving_target", "pointing drifts by 11 arcsec (ATTTSR)")
    ]
    assert drifting("0000000001", {}, 10.0, 0.1) == []


def test_objects_are_compared_without_case():
    headers = [SimpleNamespace(object_name=name) for name in ("JUPITER-A", "M31")]
    subsets = [SimpleNamespace(headers=headers)]
    rows = named("0000000001", subsets, {"solar_system_target": ["Jupiter"], "calibration": ["CalClosed"]})
    assert [row["evidence"] for row in rows] == ["OBJECT is JUPITER-A"]
