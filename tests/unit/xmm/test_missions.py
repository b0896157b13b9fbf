"""The table of missions: what an entry may say, and how a wrong one is refused."""

from __future__ import annotations

import pytest

from ephemera.xmm.missions import MissionTableError, identify, read_missions
from ephemera.xmm.observation import Camera
from ephemera.xmm.outcomes import ListRejected, Outcome

#: A mission that needs nothing but X, Y, TIME and an energy.
PLAIN = """
[plain]
telescope = ["PLAINSAT"]
instruments = ["CAM1", "CAM2"]
size_arcsec = 10.0
energy_range_ev = [200, 12000]
frame_time_s = 0.5
columns = { time = "TIME", x = "X", y = "Y" }
energy = [ { column = "PI", ev_per_unit = 10.0 } ]
point_source = { sigma_arcsec = 5.0, clip_arcsec = 30.0 }
"""


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "missions.toml"
        path.write_text(text)
        return path

    return write


def test_the_table_that_comes_with_the_project_is_read(repository):
    missions = read_missions(repository / "resources/xmm/missions.toml")
    chandra = missions["chandra"]
    assert chandra.camera("acis") is Camera.C1
    assert chandra.telescope_of("ACIS").mission == "chandra"
    assert [part.column for part in chandra.energy] == ["energy", "pi"]
    assert chandra.grades == (0, 2, 3, 4, 6)


def test_a_third_mission_is_one_entry(table):
    missions = read_missions(table(PLAIN))
    assert identify("plainsat", missions).name == "plain"
    assert missions["plain"].camera("CAM2") is Camera.C2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("size_arcsec = 10.0", "size_arcsec = 10.01"), "multiple of 0.05"),
        (("[200, 12000]", "[200, 20000]"), "at most 12000"),
        (("[200, 12000]", "[9, 5]"), "energy_range_ev must rise"),
        (('y = "Y"', 'row = "Y"'), "columns"),
        (("frame_time_s = 0.5", ""), "frame_time_s must be given"),
        (("frame_time_s = 0.5", "frame_time_s = 0"), "positive"),
        (("frame_time_s", "frametime"), "frametime is no key; allowed are"),
        (("clip_arcsec = 30.0", "clip = 1"), "point_source.clip is no key"),
        (('["CAM1", "CAM2"]', '"CAM1"'), "must be a list"),
        (('["CAM1", "CAM2"]', '["A", "B", "C", "D", "E"]'), "1 to 4"),
        (("[plain]", "[xmm]"), "other than xmm"),
        (("[plain]", "[plain"), "missions.toml"),
        (("frame_time_s = 0.5", "frame_time_s = 0.5\ngrades = [1]"), "grades need a column"),
        (
            ("frame_time_s = 0.5", "frame_time_s = 0.5\nflare = {band_ev = [1, 2], threshold_ct_s = 1}"),
            "flare",
        ),
    ],
)
def test_a_wrong_entry_is_refused_by_file_mission_and_key(table, change, says):
    with pytest.raises(MissionTableError, match="table of missions") as error:
        read_missions(table(PLAIN.replace(*change)))
    assert says in str(error.value)


def test_an_unknown_mission_or_instrument_is_named_with_those_that_are_declared(table):
    missions = read_missions(table(PLAIN))
    with pytest.raises(ListRejected, match=r"TELESCOP = 'SUZAKU': .*xmm, plain.*docs/missions.md") as error:
        identify("SUZAKU", missions)
    assert error.value.outcome is Outcome.BAD_KEYWORDS
    with pytest.raises(ListRejected, match="INSTRUME = 'CAM9' is none of CAM1, CAM2"):
        missions["plain"].camera("CAM9")
