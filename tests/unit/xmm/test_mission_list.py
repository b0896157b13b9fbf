"""Event lists of other missions: good ones, odd ones, and how each bad one ends."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from ephemera.sky.sphere import separation_arcsec
from ephemera.sky.tan import Plane
from ephemera.xmm.mission_list import read_mission_list
from ephemera.xmm.missions import read_missions
from ephemera.xmm.outcomes import Caution, ListRejected, Outcome
from ephemera.xmm.simulate_chandra import (
    PIXEL_ARCSEC,
    ChandraPointing,
    ChandraSource,
    chandra_hdus,
    chandra_list,
)
from ephemera.xmm.simulate_fits import write_hdus
from unit.xmm.test_missions import PLAIN

OBSID = "0000090001"
SHORT = {"obsid": OBSID, "duration": 2000.0, "sources": [ChandraSource(30.0, 10.0, 0.1)]}


@pytest.fixture(scope="module")
def missions(repository):
    return read_missions(repository / "resources/xmm/missions.toml")


@pytest.fixture(scope="module")
def simulated():
    return chandra_hdus(**SHORT)


@pytest.fixture
def read(tmp_path, missions):
    """Write HDUs and read them as a list."""

    def write_and_read(hdus, **options):
        path = write_hdus(tmp_path / "evt2.fits", hdus)
        return read_mission_list(path, missions, **{"obsid": OBSID} | options)

    return write_and_read


def ends(read, hdus, outcome, says, **options):
    with pytest.raises(ListRejected) as error:
        read(hdus, **options)
    assert error.value.outcome is outcome, error.value
    assert says in error.value.detail


def test_a_list_keeps_what_a_standard_selection_keeps(read, simulated):
    hdus, truth = simulated
    found = read(hdus)
    assert len(found.events.events) == truth.lists[0].kept
    assert [cut.name for cut in found.cuts] == ["null_rows", "flag", "pattern", "energy", "outside_plane"]
    assert found.cuts[0].rows_in == truth.lists[0].rows
    assert all(cut.rows_out < cut.rows_in for cut in found.cuts[1:3])
    header = found.events.header
    assert (header.mission, header.camera_name, header.obsid) == ("chandra", "ACIS", OBSID)
    assert set(header.good_time) == {6, 7}
    assert len(header.good_time[6]) == 2
    assert found.cautions == []


def test_the_same_arguments_give_the_same_bytes(tmp_path):
    first, second = (tmp_path / name for name in ("a.fits", "b.fits"))
    assert chandra_list(first, **SHORT) == chandra_list(second, **SHORT)
    assert first.read_bytes() == second.read_bytes()


def test_positions_are_those_of_an_independent_wcs(read, simulated, tmp_path):
    hdus, _ = simulated
    found = read(hdus).events
    plane = Plane(found.header.reference_ra, found.header.reference_dec)
    ra, dec = plane.to_sky(found.events.x.astype(float), found.events.y.astype(float))
    table = fits.getdata(tmp_path / "evt2.fits", "EVENTS")
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ChandraPointing().ra, ChandraPointing().dec]
    wcs.wcs.crpix, wcs.wcs.cdelt = [4096.5] * 2, [-PIXEL_ARCSEC / 3600, PIXEL_ARCSEC / 3600]
    true_ra, true_dec = wcs.wcs_pix2world(table["x"].astype(float), table["y"].astype(float), 1)
    # The reader spreads times within frames, so events are matched by their place on the sky.
    nearest = [
        separation_arcsec(a, d, true_ra, true_dec).min() for a, d in zip(ra[:50], dec[:50], strict=True)
    ]
    assert max(nearest) < 0.05


def test_a_reference_that_is_no_position_is_refused(read, simulated):
    primary, events, *gtis = simulated[0]
    columns = tuple(
        replace(c, keywords={**c.keywords, "TCRVL": 91.0}) if c.name == "y" else c for c in events.columns
    )
    ends(read, [primary, replace(events, columns=columns), *gtis], Outcome.BAD_KEYWORDS, "declination is 91")


def test_times_are_spread_within_their_frame_and_evenly(read, simulated):
    hdus, _ = simulated
    header = read(hdus).events.header
    time = read(hdus).events.events.time
    assert np.all(np.diff(time) >= 0)
    phase = np.modf((time - header.start) / header.frame_time)[0]
    counts = np.histogram(phase, 5, (0, 1))[0]
    assert (np.abs(counts - counts.mean()) < 5 * np.sqrt(counts.mean())).all()
    assert np.array_equal(time, read(hdus).events.events.time)


def test_events_outside_of_the_good_times_are_not_gathered_at_their_ends(read, simulated):
    """Lists that were not filtered by good time have events before the first interval."""
    hdus, _ = simulated
    start = float(hdus[2]["START"][0]) + 500
    later = [h.with_column("START", np.maximum(h["START"], start)) for h in hdus[2:]]
    found = read([*hdus[:2], *later]).events
    assert found.header.start == start
    assert np.count_nonzero(found.events.time < start) > 50
    assert np.count_nonzero(found.events.time == start) <= 1


def test_energy_may_come_from_channels(read, simulated):
    hdus, _ = simulated
    without = [hdus[0], hdus[1].without_columns("energy"), *hdus[2:]]
    one, other = read(hdus), read(without)
    assert "14.6 eV x column pi" in other.remark
    assert abs(int(one.events.events.pi.sum()) / int(other.events.events.pi.sum()) - 1) < 0.01


def test_barycentred_times_are_a_caution(read):
    hdus, _ = chandra_hdus(**SHORT, time_system="TDB")
    assert [row.outcome for row in read(hdus).cautions] == [Caution.BARYCENTRED]


def test_a_list_without_good_times_is_a_caution_and_counts_as_exposed_between_its_limits(read, simulated):
    hdus, _ = simulated
    found = read(hdus[:2])
    assert [row.outcome for row in found.cautions] == [Caution.NO_GTI]
    assert not found.events.header.has_good_time
    assert found.events.header.kept_ccds == (6, 7)


def test_a_sub_array_has_its_own_frame_time(read):
    hdus, _ = chandra_hdus(**SHORT, rows=128)
    assert read(hdus).events.header.frame_time == pytest.approx(0.44104)


def test_one_table_of_good_times_for_all_ccds(read, simulated):
    hdus, _ = simulated
    found = read([*hdus[:2], hdus[2].without_cards("CCD_ID")])
    assert set(found.events.header.good_time) == {6, 7}


def test_a_field_too_wide_for_the_plane_is_laid_around_its_middle(read, simulated):
    hdus, _ = simulated
    far = hdus[1]["x"].copy()
    far[:10] = 4096.5 + 2700  # 22 arcmin from the reference
    found = read([hdus[0], hdus[1].with_column("x", far), *hdus[2:]])
    assert found.cuts[-1].rows_in == found.cuts[-1].rows_out
    assert found.events.header.reference_ra != pytest.approx(ChandraPointing().ra, abs=1e-3)


BAD = {
    "unknown telescope": ({"TELESCOP": "SUZAKU"}, Outcome.BAD_KEYWORDS, "docs/missions.md"),
    "unknown instrument": ({"INSTRUME": "XIS0"}, Outcome.BAD_KEYWORDS, "INSTRUME = 'XIS0' is none of ACIS"),
    "HRC": ({"INSTRUME": "HRC"}, Outcome.BAD_COLUMNS, "HRC measures no usable energy"),
    "continuous clocking": ({"READMODE": "CONTINUOUS"}, Outcome.SKIPPED_TIMING_MODE, "no sky image"),
    "unknown mode": ({"READMODE": "RAW"}, Outcome.SKIPPED_SUBMODE, "none of TIMED"),
    "another observation": ({"OBS_ID": "7"}, Outcome.WRONG_OBSID, "0000000007"),
    "UTC": ({"TIMESYS": "UTC"}, Outcome.BAD_KEYWORDS, "TIMESYS = 'UTC' is none of TT, TDB"),
    "events TDB, good times TT": ({"TIMESYS": "TDB"}, Outcome.BAD_KEYWORDS, "different TIMESYS: TDB and TT"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_keywords_end_with_a_name(read, simulated, name):
    cards, outcome, says = BAD[name]
    hdus, _ = simulated
    ends(read, [hdus[0].with_cards(**{k: v for k, v in cards.items() if k == "TELESCOP"}),
                hdus[1].with_cards(**cards), *hdus[2:]], outcome, says)  # fmt: skip


def test_bad_tables_end_with_a_name(read, simulated, tmp_path, missions):
    primary, events, *gtis = simulated[0]
    no_energy = events.without_columns("energy", "pi")
    ends(read, [primary, no_energy, *gtis], Outcome.BAD_COLUMNS, "no column of energy: ENERGY, PI")
    ends(read, [primary, events.without_columns("x"), *gtis], Outcome.BAD_COLUMNS, "no column X")
    ends(read, [primary, events.with_rows(slice(0, 0)), *gtis], Outcome.NO_EVENTS, "no rows")
    all_bad = events.with_column("grade", np.full(len(events["grade"]), 7))
    ends(read, [primary, all_bad, *gtis], Outcome.NO_EVENTS, "pattern")
    ends(read, [primary, events.without_cards("MJDREF"), *gtis], Outcome.BAD_KEYWORDS, "MJDREF")
    ends(read, [primary, *gtis], Outcome.BAD_FILE, "no table EVENTS")
    page = tmp_path / "page.fits"
    page.write_text("<html>")
    with pytest.raises(ListRejected) as error:
        read_mission_list(page, missions)
    assert error.value.outcome is Outcome.BAD_FILE


def test_a_null_place_or_energy_is_a_null_row(read, simulated):
    primary, events, *gtis = simulated[0]
    energy = events["energy"].copy()
    energy[:7] = np.nan
    found = read([primary, events.with_column("energy", energy), *gtis])
    assert found.cuts[0].rows_in - found.cuts[0].rows_out == 7


def test_a_mission_of_four_columns_and_a_declared_plate_scale(tmp_path, simulated):
    """Nothing but TIME, X, Y and channels, and no WCS keywords: what a third mission needs at least."""
    plate = '[plain.plate]\nscale_arcsec = 0.492\nx = 4096.5\ny = 4096.5\nra = "RA_NOM"\ndec = "DEC_NOM"\n'
    (tmp_path / "missions.toml").write_text(PLAIN + plate)
    _, events, gti, _ = simulated[0]
    bare = events.without_columns("ccd_id", "grade", "status", "energy", "chipx", "chipy", "tdetx", "tdety")
    words = [f"{w}{k}" for w in ("TCTYP", "TCRVL", "TCRPX", "TCDLT") for k in range(1, 14)]
    bare = bare.with_cards(TELESCOP="PLAINSAT", INSTRUME="CAM2")
    columns = tuple(type(c)(c.name, c.values, c.unit) for c in bare.columns)
    bare = type(bare)(bare.name, tuple(c for c in bare.cards if c[0] not in words), columns)
    path = write_hdus(tmp_path / "plain.fits", [simulated[0][0].without_cards("TELESCOP"), bare, gti])
    found = read_mission_list(path, read_missions(tmp_path / "missions.toml"), obsid=OBSID)
    header = found.events.header
    assert (header.mission, header.camera_name, header.kept_ccds) == ("plain", "CAM2", (1,))
    assert header.reference_ra == pytest.approx(ChandraPointing().ra)
    assert len(found.events.events) > 100


@pytest.mark.parametrize(
    ("file", "rows", "brightest"),
    [
        ("chandra_28229_sgra_repro_evt2.fits", 26745, (266.4168, -29.0081)),
        ("chandra_1479_leonid_anti-radiant_evt2.fits.gz", 1306, (333.3268, -22.1720)),
    ],
)
def test_real_chandra_lists(shared_data, missions, file, rows, brightest):
    found = read_mission_list(shared_data / "xray" / file, missions)
    assert found.cuts[0].rows_in == rows
    header, events = found.events.header, found.events.events
    obsid = int(re.match(r"chandra_(\d+)_", file)[1])
    assert int(header.obsid) == obsid
    keep = (events.pi >= 300) & (events.pi < 8000)
    place = (events.x[keep] // 40).astype(int) * 2000 + events.y[keep] // 40
    best = np.bincount(place).argmax()
    x0, y0 = (best // 2000 + 0.5) * 40, (best % 2000 + 0.5) * 40
    for _ in range(5):
        near = keep & (np.hypot(events.x - x0, events.y - y0) < 40)
        x0, y0 = events.x[near].mean(), events.y[near].mean()
    ra, dec = Plane(header.reference_ra, header.reference_dec).to_sky(x0, y0)
    assert separation_arcsec(float(ra), float(dec), *brightest) < 1.0
