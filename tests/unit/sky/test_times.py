"""Unix seconds as Modified Julian Dates, against Astropy."""

import numpy as np
import pytest
from astropy.time import Time

from ephemera.sky.times import JD_OF_MJD_0, mjd_of_unix


def test_unix_seconds_are_days_since_1970():
    assert mjd_of_unix(0.0) == 40587.0
    seconds = np.array([0.5, 86400.0, 1702816003.4131095])
    assert mjd_of_unix(seconds) == pytest.approx(Time(seconds, format="unix").mjd, abs=1e-9)
    assert Time(0.0, format="mjd").jd == JD_OF_MJD_0
