"""Times of surveys in UTC, and nights."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.alerts.times import night_of, utc_from_tai


@pytest.mark.parametrize(
    ("tai", "seconds"),
    [(61000.0, 37), (57754.0 + 37 / 86400, 37), (57754.0, 36), (51544.0, 32), (41317.5, 10), (40000.0, 10)],
)
def test_leap_seconds(tai, seconds):
    assert (tai - float(utc_from_tai(tai))) * 86400 == pytest.approx(seconds, abs=1e-3)


def test_utc_never_goes_back():
    tai = np.linspace(57753.9, 57754.1, 20001)
    assert np.all(np.diff(utc_from_tai(tai)) >= 0)
    assert np.isnan(utc_from_tai(np.nan))


def test_nights():
    assert night_of([59000.0, 59000.999, -0.5]).tolist() == [59000, 59000, -1]
    assert night_of([61041.22], 0.5).tolist() == [61040]
