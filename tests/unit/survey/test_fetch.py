import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ephemera.survey import store
from ephemera.survey.outcomes import StopSurvey
from ephemera.survey.tess_archive import choose, products, tic_of
from ephemera.survey.ztf_positions import search_radius
from servers.survey_archives import Fault, SurveyArchives
from survey_data import WASP_4, ZTF_SOURCE, settings_of
from survey_fetching import Fetching

pytestmark = pytest.mark.usefixtures("pauses")

STAR = {
    "name": "WASP-4",
    "ra": 353.562839,
    "dec": -42.061409,
    "mag": 12.0,
    "mag_band": "Gaia_G",
    "epoch": 2015.5,
}


@pytest.fixture
def archives(shared_data):
    with SurveyArchives() as server:
        data = shared_data / "survey"
        server.ztf_rows = (data / "ztf/ZTF_lightcurve.csv").read_text()
        name = WASP_4.rpartition("/")[2]
        server.products[name] = (data / WASP_4).read_bytes()
        server.stars = [
            {"ID": "402026209", "dstArcSec": 0.2, "GAIAmag": 12.1},
            {"ID": "1", "dstArcSec": 0.1, "GAIAmag": 19.0},
        ]
        base = {"obs_collection": "TESS", "dataproduct_type": "timeseries", "target_name": "402026209"}
        server.observations = [{**base, "dataURL": f"mast:TESS/product/{name}"}]
        yield server


@pytest.fixture
def fetching(tmp_path, archives):
    return Fetching(tmp_path, archives)


def test_ztf_rows_are_stored_unaltered(fetching, archives):
    (row,) = fetching("ZTF", ZTF_SOURCE).values()
    assert (row["status"], row["n_rows"]) == ("ok", 1852)
    assert "/ZTF/RA359/ZTF_photometry_ztf.parquet" in row["path"]
    raw = store.read_raw(fetching.files()[0])
    assert raw.table["oid"].type == pa.int64()
    assert raw.table.column_names[1:6] == ["oid", "expid", "hjd", "mjd", "mag"]
    query = archives.asked[0].query
    assert query["POS"].startswith("CIRCLE 359.9997475 51.3937200 ")
    assert query["COLLECTION"].startswith("ztf_dr")
    assert query["FORMAT"] == "csv"
    assert "BAD_CATFLAGS_MASK" not in query
    assert raw.metadata["row"]["name"] == "ztf"
    assert "set-cookie" not in raw.metadata["headers"]
    assert (row["mjd_first"], row["mjd_last"]) == pytest.approx((58246.48, 59522.25), abs=0.01)


def test_cones_of_the_fastest_white_dwarfs(shared_data):
    stars = pd.read_csv(shared_data / "survey/catalogs/MontWarWDs_gaiaedr3.csv")
    rows = stars[["pmRA", "pmDE"]].set_axis(["pmra", "pmdec"], axis=1).to_dict("records")
    added = np.array([search_radius(row, 0.0, 3.0) for row in rows])
    assert (int((added > 1).sum()), int((added > 2).sum())) == (32, 4)
    assert search_radius({"pmra": 1111.31, "pmdec": 0.0}, 2.0, 3.0) == pytest.approx(5.334, abs=5e-4)
    assert settings_of("fetch").ztf.radius_arcsec == 2.0


def test_named_objects_are_asked_for_by_name(fetching, archives):
    names = "ZTF 736115200001082 805101300013289"
    (row,) = fetching("ZTF", {**ZTF_SOURCE, "local_ids": {"alias": names}}).values()
    assert archives.asked[0].query["ID"] == "736115200001082,805101300013289"
    assert "POS" not in archives.asked[0].query
    assert row["n_rows"] == 177 + 4 + 191 + 116 + 37 + 112 + 87 + 109 + 36


def test_the_cone_grows_with_proper_motion(fetching, archives):
    fetching("ZTF", {**ZTF_SOURCE, "pmra": 3000.0, "pmdec": 4000.0, "epoch": 2020.0})
    assert float(archives.asked[0].query["POS"].split()[3]) * 3600 == pytest.approx(2 + 15, abs=1e-3)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.BUSY,
        Fault.SERVER_ERROR,
        Fault.GATEWAY,
        Fault.GATEWAY_TIMEOUT,
        Fault.TOO_MANY,
        Fault.TOO_MANY_DATE,
        Fault.TRUNCATED,
        Fault.CUT_UNANNOUNCED,
        Fault.BAD_GZIP,
        Fault.PAGE,
        Fault.IPAC_ERROR,
        Fault.EMPTY,
        Fault.SILENT,
        Fault.RESET,
    ],
)
def test_ztf_faults_are_never_stored(fetching, archives, fault):
    archives.fail("ztf", fault, fault)
    (row,) = fetching("ZTF", ZTF_SOURCE).values()
    assert row["n_rows"] == 1852
    assert len(archives.asked) == 3


@pytest.mark.parametrize(
    ("fault", "low", "high"),
    [(Fault.TOO_MANY, 1.0, 1.0), (Fault.TOO_MANY_DATE, 300.0, 300.0), (Fault.BUSY, 0.5, 3.0)],
)
def test_servers_are_asked_again_when_they_wish(fetching, archives, pauses, fault, low, high):
    archives.fail("ztf", fault, fault)
    fetching("ZTF", ZTF_SOURCE)
    waited = [seconds for seconds in pauses if seconds > 0.1]
    assert len(waited) == 2
    assert all(low <= seconds <= high for seconds in waited)


def test_a_server_that_stays_ill_is_given_up_after_six_repeats(fetching, archives):
    archives.fail("ztf", *[Fault.BUSY] * 9)
    (row,) = fetching("ZTF", ZTF_SOURCE).values()
    assert (row["status"], len(archives.asked)) == ("error", 7)
    assert "after 7 attempts" in row["reason"]
    assert fetching.files() == []


def test_no_more_than_four_at_once(fetching, archives):
    fetching("ZTF", *[{**ZTF_SOURCE, "name": f"s{k}"} for k in range(12)], connections=4, read_timeout_s=30)
    assert len(archives.asked) == 12
    assert 1 <= archives.most_at_once <= 4


def test_the_start_of_a_wrong_answer_goes_into_the_log(fetching, archives, caplog):
    archives.fail("ztf", Fault.PAGE)
    fetching("ZTF", ZTF_SOURCE)
    assert "<!DOCTYPE html><html><title>Service unavailable" in caplog.text


def test_one_source_that_fails_stops_no_other(fetching, archives):
    archives.fail("ztf", Fault.BAD_REQUEST)
    rows = fetching("ZTF", {**ZTF_SOURCE, "name": "a"}, connections=1)
    assert rows["a"]["status"] == "error"
    assert "400" in rows["a"]["reason"]
    assert len(archives.asked) == 1
    assert fetching.incomplete
    assert fetching.files() == []
    rows = fetching("ZTF", {**ZTF_SOURCE, "name": "a"}, {**ZTF_SOURCE, "name": "b"})
    assert {r["status"] for r in rows.values()} == {"ok"}
    assert not fetching.incomplete


@pytest.mark.parametrize("fault", [Fault.UNAUTHORISED, Fault.FORBIDDEN])
def test_refused_credentials_stop_the_survey(fetching, archives, monkeypatch, caplog, fault):
    monkeypatch.setenv("ZTF_USERNAME", "someone")
    monkeypatch.setenv("ZTF_PASSWORD", "sesame")
    archives.fail("ztf", fault)
    with pytest.raises(StopSurvey, match="ZTF_USERNAME") as error:
        fetching("ZTF", ZTF_SOURCE)
    assert archives.asked[0].authorization.startswith("Basic ")
    assert "sesame" not in caplog.text + str(error.value)


def test_nothing_in_the_cone_is_empty_and_counts_as_downloaded(fetching, archives):
    for _ in range(2):
        (row,) = fetching("ZTF", {**ZTF_SOURCE, "ra": 100.0}).values()
        assert (row["status"], row["reason"], row["n_rows"]) == ("empty", "no_match", 0)
    assert len(archives.asked) == 1
    assert not fetching.incomplete


def test_what_ztf_cannot_have_is_not_asked_for(fetching, archives):
    rows = fetching(
        "ZTF", {**ZTF_SOURCE, "name": "s", "dec": -31.0}, {**ZTF_SOURCE, "name": "f", "mag": 20.6}
    )
    assert {n: r["reason"] for n, r in rows.items()} == {"s": "outside_survey", "f": "too_faint"}
    assert archives.asked == []


def test_what_is_there_is_not_fetched_again(fetching, archives):
    fetching("ZTF", ZTF_SOURCE)
    fetching("ZTF", ZTF_SOURCE, {**ZTF_SOURCE, "name": "new"})
    assert archives.kinds() == ["ztf", "ztf"]


def test_other_parameters_make_a_set_stale(fetching, archives):
    fetching("ZTF", ZTF_SOURCE)
    fetching.options = {"fetch": {"ztf": {"release": "ztf_dr20"}}}
    (row,) = fetching("ZTF", ZTF_SOURCE).values()
    assert row["status"] == "stale"
    (row,) = fetching("ZTF", ZTF_SOURCE, refetch="params").values()
    assert row["status"] == "ok"
    assert json.loads(row["request"])["COLLECTION"] == "ztf_dr20"
    assert len(archives.asked) == 2


def test_offline_opens_no_socket(tmp_path, monkeypatch):
    def blocked(*_, **__):
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", blocked)
    monkeypatch.setattr(socket, "create_connection", blocked)
    fetching = Fetching(tmp_path, None)
    for survey in ("ZTF", "TESS"):
        (row,) = fetching(survey, {**STAR, "dec": 10.0}, offline=True).values()
        assert row["status"] == "missing"
        assert "snakemake" in row["reason"]
    assert fetching.incomplete
    (row,) = fetching("DEMO", STAR, offline=True).values()
    assert row["status"] == "ok"


def test_tess_star_sectors_and_files(fetching, archives):
    (row,) = fetching("TESS", STAR).values()
    assert (row["status"], row["n_rows"]) == ("ok", 19737)
    assert archives.kinds() == ["tic", "caom", "product"]
    raw = store.read_raw(fetching.files()[0])
    assert raw.metadata["tic"] == "402026209"
    assert raw.metadata["sectors"]["2"]["EXPOSURE"] == pytest.approx(21.7104, abs=1e-3)
    assert np.unique(raw.table["SECTOR"]).tolist() == [2]
    assert row["mjd_first"] == pytest.approx(58353.6, abs=0.2)


def test_a_tic_number_is_enough(fetching, archives):
    (row,) = fetching("TESS", {**STAR, "name": "TIC 402026209"}).values()
    assert row["status"] == "ok"
    assert archives.kinds() == ["caom", "product"]
    assert tic_of({"name": "x", "local_ids": [("alias", "TIC 12")]}) == "12"
    assert tic_of({"name": "TICK 12", "local_ids": None}) is None


@pytest.mark.parametrize(
    "fault", [Fault.TRUNCATED, Fault.CUT_UNANNOUNCED, Fault.PAGE, Fault.EMPTY, Fault.BUSY]
)
def test_tess_faults_are_never_stored(fetching, archives, fault):
    archives.fail("product", fault)
    archives.fail("caom", Fault.PAGE)
    (row,) = fetching("TESS", STAR).values()
    assert row["n_rows"] == 19737


def test_a_product_that_is_not_there_leaves_its_sector_out(fetching, archives):
    other = archives.observations[0]["dataURL"].replace("s0002", "s0029")
    archives.observations.append({**archives.observations[0], "dataURL": other})
    (row,) = fetching("TESS", STAR).values()
    assert row["n_rows"] == 19737
    assert store.read_raw(fetching.files()[0]).metadata["missing_sectors"] == [29]


def test_no_star_of_the_right_magnitude_is_empty(fetching):
    (row,) = fetching("TESS", {**STAR, "mag": 16.0}).values()
    assert (row["status"], row["reason"]) == ("empty", "no_match")
    (row,) = fetching("TESS", {**STAR, "name": "faint", "mag": 18.5}).values()
    assert row["reason"] == "too_faint"


def test_the_nearest_star_that_fits_is_taken():
    stars = [
        {"ID": "far", "dstArcSec": 11.0, "GAIAmag": 12.0},
        {"ID": "near", "dstArcSec": 5.0, "GAIAmag": 12.5},
        {"ID": "nearer", "dstArcSec": 1.0, "GAIAmag": 13.0},
        {"ID": "nameless", "dstArcSec": 0.5, "GAIAmag": None},
    ]
    assert choose(stars, [12.0], 10, 0.75) == "near"
    assert choose(stars, [13.1, 12.0], 10, 0.75) == "nearer"
    assert choose(stars, [], 10, 0.75) == "nameless"
    assert choose([], [12.0], 10, 0.75) is None
    assert choose([{"ID": "here", "dstArcSec": 0.0, "GAIAmag": 12.0}], [12.0], 10, 0.75) == "here"


def test_one_file_a_sector_in_order_of_preference():
    slow = "mast:TESS/product/tess2020186164531-s0027-0000000000000012-0189-s_lc.fits"
    fast = "mast:TESS/product/tess2020186164531-s0027-0000000000000012-0189-a_fast-lc.fits"
    other = "mast:TESS/product/tess2020186164531-s0028-0000000000000012-0189-a_fast-lc.fits"
    evil = "mast:TESS/product/../../tess.fits"
    observations = [{"dataURL": url} for url in (fast, slow, other, evil, None)]
    assert [n[-12:] for n in products(observations, [120, 20], None).values()] == [
        "89-s_lc.fits",
        "fast-lc.fits",
    ]
    assert products(observations, [20, 120], [27])[27].endswith("a_fast-lc.fits")
    assert list(products(observations, [120], None)) == [27]


def test_demo_failures_are_told(tmp_path):
    fetching = Fetching(tmp_path, None)
    fetching.options = {"fetch": {"demo": {"failures": ["ok", "empty", "timeout"]}}}
    rows = fetching("DEMO", *[{**STAR, "name": f"s{k}"} for k in range(30)])
    assert {r["status"] for r in rows.values()} == {"ok", "empty", "error"}


def test_a_store_that_cannot_be_written_stops_the_job(tmp_path):
    fetching = Fetching(tmp_path, None)
    (tmp_path / "raw").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="raw"):
        fetching("DEMO", STAR)
    assert not fetching.out.exists()


def test_a_full_disk_leaves_no_partial_file(tmp_path, monkeypatch):
    import pyarrow.parquet as pq

    real = pq.write_table

    def full(table, where, **options):
        if "photometry" not in where.name:
            return real(table, where, **options)
        where.write_bytes(b"PAR1 half of a file")
        raise OSError(28, "No space left on device")

    fetching = Fetching(tmp_path, None)
    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OSError, match="No space"):
        fetching("DEMO", STAR)
    assert fetching.files() == []


CHILD = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from survey_fetching import Fetching
class Archives:
    irsa_url, mast_url = {irsa!r}, {irsa!r}
    forced_url = gaia_url = {irsa!r}
rows = [dict({row!r}, name=f"s{{k}}") for k in range({n})]
Fetching(Path({folder!r}), Archives)("ZTF", *rows, connections=1, requests_per_s=20.0, read_timeout_s=30)
"""


def test_a_killed_run_leaves_whole_files_and_the_next_fetches_the_rest(fetching, archives):
    n = 12
    paths = [str(Path(__file__).parents[2]), str(Path(__file__).parents[3] / "scripts")]
    text = CHILD.format(paths=paths, irsa=archives.irsa_url, row=ZTF_SOURCE, n=n, folder=str(fetching.folder))
    child = subprocess.Popen([sys.executable, "-c", text])
    limit = time.monotonic() + 60
    while len(archives.asked) < 4 and child.poll() is None and time.monotonic() < limit:
        time.sleep(0.01)
    child.kill()
    assert child.wait() == -9
    done = [path for path in fetching.files() if path.suffix == ".parquet" and not path.name.startswith(".")]
    assert 0 < len(done) < n
    assert all(len(store.read_raw(path).table) == 1852 for path in done)
    asked = len(archives.asked)
    names = [f"s{k}" for k in range(n)]
    rows = fetching("ZTF", *[{**ZTF_SOURCE, "name": name} for name in names], read_timeout_s=30)
    assert {row["status"] for row in rows.values()} == {"ok"}
    assert len(archives.asked) - asked == n - len(done)
