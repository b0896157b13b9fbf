import json

import numpy as np
import pytest

from ephemera.survey import request, store, ztf_forced
from ephemera.survey.columns import SOURCE
from ephemera.survey.outcomes import StopSurvey
from ephemera.survey.parquet_tables import table_of_rows, write_table
from ephemera.survey.reducing import reduce_raw
from ephemera.survey.ztf_forced_archive import listed
from ephemera.transfer import BadAnswer
from servers.survey_archives import Fault, SurveyArchives
from survey_data import job, settings_of
from survey_fetching import Fetching, options_of

pytestmark = pytest.mark.usefixtures("pauses")

STAR = {"name": "star", "cat_index": 0, "ra": 170.5, "dec": 34.25}
HEAD = (
    "index, field, ccdid, qid, filter, infobitssci, scisigpix, zpdiff, exptime, jd, "
    "forcediffimflux, forcediffimfluxunc, procstatus"
)
ROWS = """
0 619 12 3 ZTF_g 0 9.9 26.4 30.0 2459000.9 100.0 10.0 0
1 619 12 3 ZTF_g 33554432 9.9 26.4 30.0 2459001.9 100.0 10.0 0
2 619 12 3 ZTF_g 0 null 26.4 30.0 2459002.9 -99999 -99999 56
3 619 12 3 ZTF_g 0 9.9 23.9 30.0 2459003.9 -7.0 2.0 0
4 619 12 3 ZTF_r 0 9.9 23.9 30.0 2459100.9 7.0 2.0 0
5 620 12 3 ZTF_g 0 9.9 23.9 30.0 2459000.9 5.0 2.0 0
"""
TEXT = f"# Requested input R.A. = 170.5 degrees\n#\n{HEAD}{ROWS}"


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("ZTF_FORCED_EMAIL", "someone@example.org")
    monkeypatch.setenv("ZTF_FORCED_PASSWORD", "sesame")
    monkeypatch.setenv("ZTF_FORCED_HTTP", "pages:open")


@pytest.fixture
def archives():
    with SurveyArchives() as server:
        yield server


def place(folder, archives, *rows, **changes):
    settings = options_of(folder, archives)
    for name, value in changes.items():
        setattr(settings, name, value)
    write_table(table_of_rows(SOURCE, rows), "source", folder / "batch")
    request.main(job(settings, {"batch": folder / "batch"}, {"placed": folder / "placed.json"}))
    return json.loads((folder / "placed.json").read_text())


def test_requests_are_placed_once_and_collected_when_they_are_ready(tmp_path, archives, account, caplog):
    south = {**STAR, "name": "south", "dec": -60.0}
    assert list(place(tmp_path, archives, STAR, south)) == ["star"]
    assert list(place(tmp_path, archives, STAR, south)) == ["star"]
    assert archives.kinds() == ["forced"]
    fetching = Fetching(tmp_path, archives)
    rows = fetching("ZTFFORCED", STAR, south)
    assert rows["star"]["status"] == "error"
    assert "not ready yet: the next run looks again" in rows["star"]["reason"]
    assert rows["south"]["reason"] == "outside_survey"
    assert fetching.incomplete
    archives.forced["170.5000000"] = TEXT
    rows = fetching("ZTFFORCED", STAR, south)
    assert (rows["star"]["status"], rows["star"]["n_rows"]) == ("ok", 6)
    assert (rows["star"]["mjd_first"], rows["star"]["mjd_last"]) == pytest.approx((59000.4, 59100.4))
    assert not fetching.incomplete
    assert archives.kinds().count("forced") == 1
    assert archives.asked[0].authorization.startswith("Basic ")
    stored = b"".join(p.read_bytes() for p in fetching.files())
    assert b"sesame" not in stored
    assert "sesame" not in caplog.text
    assert place(tmp_path, archives, STAR) == {}  # what is on disk is not requested


def test_faults_are_never_stored(tmp_path, archives, account):
    archives.forced["170.5000000"] = TEXT
    archives.fail("forced", Fault.BUSY)
    archives.fail("list", Fault.CUT_UNANNOUNCED, Fault.EMPTY)
    archives.fail("lightcurve", Fault.CUT_UNANNOUNCED, Fault.PAGE, Fault.TRUNCATED)
    (row,) = Fetching(tmp_path, archives)("ZTFFORCED", STAR).values()
    assert row["n_rows"] == 6


def test_without_an_account_the_survey_stops(tmp_path, archives, monkeypatch):
    with pytest.raises(StopSurvey, match="ZTF_FORCED_EMAIL"):
        place(tmp_path, archives, STAR)
    for name in ("ZTF_FORCED_EMAIL", "ZTF_FORCED_PASSWORD", "ZTF_FORCED_HTTP"):
        monkeypatch.setenv(name, "wrong")
    archives.fail("forced", Fault.UNAUTHORISED)
    with pytest.raises(StopSurvey, match="check ZTF_FORCED_EMAIL"):
        place(tmp_path, archives, STAR)


def test_offline_nothing_is_requested(tmp_path, archives):
    assert place(tmp_path, archives, STAR, offline=True) == {}
    assert archives.asked == []


def test_fluxes_are_microjansky_of_differences():
    raw = store.Raw(ztf_forced.table_of(TEXT), {})
    assert raw.table["forcediffimflux"].to_pylist()[2] is None
    curves = reduce_raw("ZTFFORCED", raw, STAR, settings_of("reduce"))
    assert [(c.filter, c.object_id, len(c)) for c in curves] == [
        ("ztf_g", "619-12-3", 4),
        ("ztf_g", "620-12-3", 1),
        ("ztf_r", "619-12-3", 1),
    ]
    first = curves[0]
    assert first.flux[[0, 3]] == pytest.approx([10.0, -7.0])  # 100 DN of zero point 26.4 are 10 uJy
    assert first.flux_err[0] == pytest.approx(1.0)
    assert first.bad.tolist() == [False, True, True, False]
    assert first.mjd[0] == pytest.approx(59000.4)
    assert np.isnan(first.magnitudes[0][3])


@pytest.mark.parametrize("text", ["", "no table\n", TEXT[:-30], TEXT.rstrip()])
def test_what_is_no_whole_table_is_refused(text):
    with pytest.raises(ValueError, match="table"):
        ztf_forced.table_of(text)


def test_a_list_of_another_kind_is_refused():
    with pytest.raises(BadAnswer, match="must have the columns"):
        listed("<table><tr><th>one</th></tr></table>")
