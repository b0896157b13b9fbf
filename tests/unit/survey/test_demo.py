import numpy as np
import pytest

from ephemera.survey import demo
from ephemera.survey.outcomes import SourceError
from survey_data import settings_of

STAR = {"name": "star", "ra": 10.0, "dec": 20.0}


def options(**changes):
    return settings_of("fetch", fetch={"demo": changes}).demo


def columns(row=STAR, **changes):
    table = demo.rows(row, options(**changes))
    return {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}


def test_a_light_curve_is_as_promised():
    found = columns(epochs=4000)
    assert (found["mjd"][0], found["mjd"][-1]) == (57000.0, 58000.0)
    assert np.ptp(np.diff(found["mjd"])) < 1e-9
    assert 0.09 <= found["magerr"].min() < found["magerr"].max() <= 0.11
    assert found["mag"].mean() == pytest.approx(18.0, abs=0.01)
    assert ((found["mag"] - 18.0) / found["magerr"]).std() == pytest.approx(1.0, abs=0.05)
    assert (found["ra"] - 10.0).std() * np.cos(np.radians(20)) == pytest.approx(1e-4, rel=0.05)
    assert (found["dec"] - 20.0).std() == pytest.approx(1e-4, rel=0.05)
    assert set(found["exptime"]) == {30.0}
    assert set(found["filter"]) == {"R"}
    assert not found["flag"].any()
    assert len(columns()["mjd"]) == 100


def test_rows_depend_on_the_name_alone():
    one = columns()
    columns({**STAR, "name": "other"})
    assert all(np.array_equal(one[name], values) for name, values in columns().items())
    assert not np.array_equal(one["mag"], columns({**STAR, "name": "other"})["mag"])
    assert not np.all(np.diff(columns(shuffled=True)["mjd"]) > 0)


@pytest.mark.parametrize("dec", [90.0, -90.0, 89.99999])
def test_positions_are_reflected_at_the_poles(dec):
    found = columns({**STAR, "dec": dec}, epochs=500)
    assert np.abs(found["dec"]).max() <= 90.0
    assert np.all((found["ra"] >= 0) & (found["ra"] < 360))
    assert 90 - np.abs(found["dec"]).min() < 1e-3


def test_shuffled_times_are_put_in_order():
    table = demo.rows(STAR, options(shuffled=True))
    curves = demo.light_curves(table, STAR, gap_days=None)
    assert len(curves) == 1
    assert np.all(np.diff(curves[0].mjd) >= 0)


def test_pauses_and_failures_are_made_on_request(monkeypatch):
    waited = []
    monkeypatch.setattr(demo.time, "sleep", waited.append)
    assert len(demo.fetch(STAR, options(wait_s=2.5))) == 100
    assert waited == [2.5]
    assert len(demo.fetch(STAR, options(failures=["empty"]))) == 0
    for failure in ("timeout", "truncated"):
        with pytest.raises(SourceError, match=failure):
            demo.fetch(STAR, options(failures=[failure]))
