import numpy as np
import pandas as pd
import pytest
from astropy.table import Table

from ephemera.survey.judging import Search, search_curve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.own_files import FilesAsker, read_file
from ephemera.survey.reducing import reduce_raw
from ephemera.survey.store import Raw
from ephemera.survey.time_columns import find_time, time_kind
from survey_data import settings_of

STAR = {"name": "star", "ra": 10.0, "dec": 20.0}


def curves_of(raw, **reduce):
    return reduce_raw("FILES", raw, STAR, settings_of("reduce", reduce=reduce))


def given(raw):
    return Raw(raw.table, {"zero_point": 23.9, "exptime_s": 30.0, **raw.metadata})


def read(path, layout="table", time=None, **columns):
    return given(read_file(path, layout, columns, time))


@pytest.mark.parametrize(
    ("name", "value", "mjd"),
    [
        ("mjd", 58246.5, 58246.5),
        ("MJD-50000", 8246.5, 58246.5),
        ("MJD - 50000", 8246.5, 58246.5),
        ("HJD-2450000", 2127.69172, 52127.19172),
        ("jd", 2458247.0, 58246.5),
        ("BJD - 2454833", 120.5, 54953.0),
        ("BTJD", 1355.1463, 58354.6463),
        ("unix", 86400.0, 40588.0),
        ("timestamp", 0.0, 40587.0),
        ("bjd_tdb", 2458247.0, 58246.5),
    ],
)
def test_times_by_the_name_of_their_column(name, value, mjd):
    assert time_kind(name).mjd(np.array([value]))[0] == pytest.approx(mjd)


def test_iso_times_and_ambiguous_ones():
    assert time_kind("iso").mjd(np.array(["2018-05-08T12:00:00"]))[0] == pytest.approx(58246.5)
    assert time_kind("time") is None
    with pytest.raises(ValueError, match="may be anything"):
        find_time(["time", "mag"])
    assert find_time(["time", "mag"], told="btjd")[1].kind == "btjd"
    assert find_time(["hjd", "mjd", "mag"])[0] == "mjd"
    with pytest.raises(ValueError, match="no column of times"):
        find_time(["mag"])


def test_macho(shared_data):
    raw = read(shared_data / "survey/macho/lc_1.3444.614.tar.bz2", "macho")
    assert raw.metadata["ra"] == pytest.approx(5.02878 * 15)
    curves = curves_of(raw, gap_days=None)
    assert {c.filter for c in curves} == {"B", "R"}
    assert curves[0].mjd.min() == pytest.approx(48823.477419)
    assert curves[0].magnitudes[0][0] == pytest.approx(-6.081)


def test_ogle(shared_data):
    raw = read(shared_data / "survey/ogle3/OGLE-BLG-LPV-232406.tar", "ogle")
    curves = curves_of(raw, gap_days=None)
    assert {c.filter: len(c) for c in curves} == {"I": 100, "V": 2}
    assert curves[0].mjd[0] == pytest.approx(2127.69172 + 2450000 - 2400000.5)


def test_stripe_82_and_antares(shared_data):
    for path in ("rrlyrae_s82/light-curves/1013184.csv", "ztf_snia/light-curves/ZTF17aadlxmv.csv"):
        frame = pd.read_csv(shared_data / "survey" / path)
        curves = curves_of(read(shared_data / "survey" / path, "antares"), gap_days=None)
        assert {c.filter: len(c) for c in curves} == frame.band.value_counts().to_dict()
        assert min(c.mjd.min() for c in curves) == pytest.approx(frame.time.min())


def test_alerce(shared_data):
    folder = shared_data / "survey/ztf_alerce_objects"
    for path in sorted(folder.glob("*/detections.csv")):
        curves = curves_of(read(path, "alerce"), gap_days=None)
        assert sum(len(c) for c in curves) == len(pd.read_csv(path))
        assert {c.filter for c in curves} <= {"ztf_g", "ztf_r", "ztf_i"}


def test_kepler(shared_data):
    raw = read(shared_data / "survey/tess/HAT-P-11_Kepler_Q0_snippet.fits", "kepler", flux="pdcsap_flux")
    assert len(raw.table) == 10
    (curve,) = curves_of(raw, gap_days=None)
    assert curve.time_bjd_tdb[0] == pytest.approx(2454953.538475, abs=1e-5)
    assert curve.mjd[0] == pytest.approx(54953.038475, abs=1e-5)


def test_kepler_times_by_themselves_are_counted_from_2454833(tmp_path):
    table = Table({"time": [120.5, 121.5], "pdcsap_flux": [1.0, 2.0], "pdcsap_flux_err": [0.1, 0.1]})
    table.write(tmp_path / "k.fits")
    (curve,) = curves_of(read(tmp_path / "k.fits", "kepler"))
    assert curve.mjd.tolist() == [54953.0, 54954.0]


def test_a_peers_hdf5(shared_data):
    raw = read(shared_data / "survey/tess/TESS_photometric_series1.h5", "peer", time="btjd")
    (curve,) = curves_of(raw, gap_days=None)
    assert len(curve) == 18699
    assert curve.mjd.min() == pytest.approx(float(raw.table["mjd"].to_numpy().min()))


def test_cdips_and_time_told(shared_data):
    path = shared_data / "survey/tess/cdips_gaiatwo0001833519030401513984-0014-cam1-ccd4.csv"
    with pytest.raises(ValueError, match="may be anything"):
        curves_of(read(path))
    (curve,) = curves_of(read(path, time="bjd"), gap_days=None)
    assert curve.mjd[0] == pytest.approx(2458683.6191206477 - 2400000.5)
    assert curve.time_bjd_tdb[0] == pytest.approx(2458683.6191206477)
    assert curve.filter == "clear"


def test_awkward_rows_are_flagged(tmp_path):
    pd.DataFrame(
        {
            "MJD-50000": [8003.0, 8001.0, 8002.0, np.nan],
            "flux": [1.0, np.inf, -5.0, 2.0],
            "fluxerr": [0.1, 0.1, -1.0, 0.1],
            "band": ["x"] * 4,
        }
    ).to_csv(tmp_path / "star.csv", index=False)
    (curve,) = curves_of(read(tmp_path / "star.csv"))
    assert curve.mjd[:3].tolist() == [58001.0, 58002.0, 58003.0]
    assert curve.bad.tolist() == [True, True, False, True]
    assert search_curve(curve, Search()).events == []


def test_files_are_found_by_the_name_of_the_source(tmp_path):
    pd.DataFrame({"mjd": [1.0, 2.0], "mag": [15.0, 15.1], "magerr": [0.1, 0.1]}).to_csv(tmp_path / "star.csv")
    settings = settings_of("fetch", fetch={"files": {"pattern": str(tmp_path / "{name}.csv")}})
    asker = FilesAsker(settings)
    assert len(asker.fetch(STAR).table) == 2
    assert asker.request(STAR)["file"] == "star.csv"
    assert asker.fetch({**STAR, "name": "other"}).metadata["reason"] == "no_match"
    with pytest.raises(SourceError, match="no part of a path"):
        asker.fetch({**STAR, "name": "../star"})
    with pytest.raises(SourceError, match="name"):
        FilesAsker(settings_of("fetch"))


def test_what_cannot_be_read_says_so(tmp_path):
    (tmp_path / "star.csv").write_text("mjd,colour\n1,2\n")
    with pytest.raises(ValueError, match="neither flux nor magnitude"):
        curves_of(read(tmp_path / "star.csv"))
    with pytest.raises(SourceError, match="no column brightness"):
        read(tmp_path / "star.csv", mag="brightness")
    with pytest.raises(SourceError, match="star"):
        read(tmp_path / "nostar.csv")
