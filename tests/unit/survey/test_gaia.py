import pandas as pd
import pyarrow as pa
import pytest

from ephemera.survey import catalogue, gaia, store
from ephemera.survey.parquet_tables import read_table
from servers.survey_archives import Fault, SurveyArchives
from survey_data import job, settings_of
from survey_fetching import options_of

pytestmark = pytest.mark.usefixtures("pauses")

#: Two stars near a place: one passes it at 1 arcsec a year, the other stays beside it. G, BP, RP.
STILL = {"source_id": 3222350478553854464, "ra": 10.0003, "dec": 20.0, "pmra": 0.0, "pmdec": 0.0}
FAST = {"source_id": 286237751845802112, "ra": 10.0, "dec": 20.0 + 16 / 3600, "pmra": 0.0, "pmdec": 1000.0}
for star in (STILL, FAST):
    star |= {"parallax": 5.0, "phot_g_mean_mag": 16.0, "phot_bp_mean_mag": 16.5, "phot_rp_mean_mag": 15.3}


@pytest.fixture
def archives():
    with SurveyArchives() as server:
        server.gaia_rows = [STILL, FAST]
        yield server


def match(folder, archives, *, offline=False, **changes):
    (folder / "c.csv").write_text("name,ra,dec\na,10.0,20.0\nb,200.0,-5.0\n")
    given = {"file": str(folder / "c.csv"), "epoch": 2000.0, **changes}
    settings = options_of(folder, archives, "gaia")
    settings.catalogue, settings.refetch = settings_of("catalogue", catalogue=given), "never"
    settings.shard, settings.offline = "1/1", offline
    inputs = {"catalogue": folder / "c.csv"}
    gaia.main(job(settings, inputs, {"matches": folder / "gaia.parquet"}, project="p"))
    return read_table(folder / "gaia.parquet").to_pylist()


def test_candidates_are_moved_before_the_nearest_is_chosen(tmp_path, archives):
    """At epoch 2000 the fast star is at the source; at its own epoch, 2016, it is 16 arcsec away."""
    (found,) = match(tmp_path, archives)
    assert (found["name"], found["source_id"]) == ("a", FAST["source_id"])
    assert found["separation"] < 0.01
    (found,) = match(tmp_path, archives, epoch=2016.0)
    assert found["source_id"] == STILL["source_id"]


def test_answers_are_kept_and_not_asked_for_again(tmp_path, archives):
    match(tmp_path, archives)
    match(tmp_path, archives)
    assert archives.kinds() == ["gaia", "gaia"]
    assert "phot_g_mean_mag < 20.5" in archives.asked[0].query["QUERY"]
    kept = store.read_raw(tmp_path / "raw/GAIA/RA010/GAIA_photometry_a.parquet")
    assert kept.table["source_id"].type == pa.int64()
    assert kept.table["source_id"].to_pylist() == [STILL["source_id"], FAST["source_id"]]


def test_faults_are_asked_again_and_failures_told(tmp_path, archives):
    archives.fail("gaia", Fault.PAGE, Fault.CUT_UNANNOUNCED, Fault.BUSY)
    assert len(match(tmp_path, archives)) == 1
    (tmp_path / "raw/GAIA/RA010/GAIA_photometry_a.parquet").unlink()
    archives.fail("gaia", Fault.BAD_REQUEST)
    with pytest.raises(RuntimeError, match=r"1 of 2 sources could not be asked for, first a: .*400"):
        match(tmp_path, archives)


def test_the_catalogue_gets_what_it_lacks(tmp_path, archives):
    match(tmp_path, archives)
    pd.DataFrame({"name": ["a", "b"], "ra": [10.0, 200.0], "dec": [20.0, -5.0], "plx": [7.0, 8.0]}).to_csv(
        tmp_path / "c.csv", index=False
    )
    settings = settings_of(
        "catalogue", catalogue={"file": str(tmp_path / "c.csv"), "columns": {"parallax": "plx"}}
    )
    settings.batch, settings.batch_degrees, settings.shard = 5, 360, "1/1"
    inputs = {"catalogue": tmp_path / "c.csv", "gaia": tmp_path / "gaia.parquet"}
    outputs = {
        "sources": tmp_path / "sources",
        "rejected": tmp_path / "rejected.csv",
        "batches": tmp_path / "batches",
    }
    catalogue.main(job(settings, inputs, outputs))
    first, second = read_table(tmp_path / "sources").to_pylist()
    assert (first["pmdec"], first["parallax"], first["mag"], first["mag_band"]) == (
        1000.0,
        7.0,
        16.0,
        "Gaia_G",
    )
    assert dict(first["mags"]) == {"Gaia_G": 16.0, "Gaia_BP": 16.5, "Gaia_RP": 15.3}
    assert dict(first["local_ids"]) == {"Gaia": str(FAST["source_id"])}
    assert (second["pmra"], second["mag"], second["local_ids"]) == (None, None, [])


def test_offline_nothing_is_added(tmp_path, archives):
    settings = options_of(tmp_path, None, "gaia")
    settings.offline = True
    batch = gaia.Batch(gaia.GaiaAsker(settings), settings)
    assert batch.one({"name": "a", "ra": 1.0, "dec": 2.0})["status"] == "missing"
    assert archives.asked == []


def test_a_catalogue_that_was_matched_offline_is_asked_for_again(tmp_path, archives, caplog):
    mark = tmp_path / "gaia.again"
    assert match(tmp_path, archives, offline=True) == []
    assert mark.read_text().split() == ["a", "b"]
    assert "2 of 2 sources are not in the raw store" in caplog.text
    assert len(match(tmp_path, archives)) == 1
    assert not mark.exists()
