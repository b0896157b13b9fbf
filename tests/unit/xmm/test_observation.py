"""What headers, subsets and names of runs know of themselves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.event_lists import events, header, subset
from ephemera.xmm.observation import Band, Camera, run_id, seconds_text


def test_dates_count_the_time_zero():
    own = header(timezero=86400.0)
    assert own.mjd(43200.0) == pytest.approx(50815.5)
    assert own.mjd(np.array([0.0, 86400.0])).tolist() == [50815.0, 50816.0]


def test_positions_and_angles_are_those_of_the_reference():
    own = header()
    assert own.plane.to_sky(25921, 25921) == (pytest.approx(150.0), pytest.approx(-11.0))
    assert own.off_axis_arcmin(150.0, -10.9) == pytest.approx(6.0)


def test_lists_are_in_order_of_the_camera_whatever_order_they_came_in():
    mos, pn = header(Camera.M1, submode="PrimePartialW2", reference_ra=151.0), header(Camera.PN)
    one = subset([mos, pn], events([1.0]))
    assert one.cameras == (Camera.PN, Camera.M1)
    assert one.header is pn
    assert one.in_words == {
        "cameras": "PN M1", "submode": "PrimeFullWindow PrimePartialW2", "filter": "Thin1 Thin1",
    }  # fmt: skip
    assert replace(one, headers=(mos,)).header is mos


def test_names_of_runs_tell_frame_lengths_apart():
    band = Band.from_kev(2.0, 12.0)
    assert run_id("0724210501", 0, 5, band) == "0724210501_0_5_2.0_12.0"
    assert len({run_id("0724210501", 0, dt, band) for dt in (1000.001, 1000.002, 1000)}) == 3


@given(st.floats(1e-3, 1e7))
def test_times_in_names_read_back_to_the_same_number(seconds):
    assert float(seconds_text(seconds)) == seconds
    assert seconds_text(np.float64(50.0)) == "50"
