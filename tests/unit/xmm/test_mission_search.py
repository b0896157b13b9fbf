"""Lists of another mission through the whole search: quiet when the sky is, flares found where they are."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from ephemera.config.load import load
from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.download import from_folder
from ephemera.xmm.download import main as download
from ephemera.xmm.events import select_lists
from ephemera.xmm.events_store import read_subsets
from ephemera.xmm.inject import inject
from ephemera.xmm.injection import Injection
from ephemera.xmm.missions import MissionTableError
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.simulate_chandra import ChandraFlare, ChandraSource, chandra_list
from xmm_chain import search

OBSID = "0000090001"
OPTIONS = {"cube": {"time_bins_s": [5.0, 50.0, 200.0], "bands_kev": [[0.5, 8.0]]}}
#: A bright source with a streak along its columns, and fainter ones.
FIELD = [
    ChandraSource(0.0, 0.0, 1.0), ChandraSource(60.0, 20.0, 0.02), ChandraSource(-90.0, -30.0, 0.006),
]  # fmt: skip
FLARES = [ChandraFlare(120.0, 15.0, 3000.0, 100.0, 40.0), ChandraFlare(0.5, 24.0, 5000.0, 400.0, 80.0)]


def searched(folder, options=None, **what):
    """A simulated list and what the search finds in it."""
    (folder / OBSID).mkdir(parents=True)
    truth = chandra_list(folder / OBSID / "acisf90001_evt2.fits", obsid=OBSID, duration=10000.0, **what)
    return truth, search(folder / OBSID, folder / "found", OBSID, options or OPTIONS, mission="chandra")


@pytest.fixture(scope="module")
def flaring(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flaring")
    return searched(folder, seed=3, sources=FIELD, flares=FLARES, rows=256)


def test_a_steady_field_is_quiet_to_within_chance_along_the_streak_too(tmp_path):
    found, expected = 0, 0.0
    for seed in range(3):
        _, result = searched(tmp_path / str(seed), seed=seed, sources=FIELD, rows=256)
        for row in result.runs.to_pylist():
            found += row["n_peaks"] + row["n_eclipses"]
            expected += row["n_false_expected"]
    assert expected > 0
    assert found <= expected + 3 * np.sqrt(expected) + 1


def test_flares_are_found_where_they_are_off_the_streak_and_on_it(flaring):
    truth, result = flaring
    rows = result.detections.to_pylist()
    for burst in truth.bursts:
        near = [
            row for row in rows
            if separation_arcsec(row["ra"], row["dec"], burst.ra, burst.dec) < 3
            and row["t_start"] < burst.stop and row["t_stop"] > burst.start
        ]  # fmt: skip
        assert near, burst
        best = max(near, key=lambda row: row["best_sigma"])
        assert best["best_sigma"] > 4
        assert separation_arcsec(best["ra"], best["dec"], burst.ra, burst.dec) < 1
        assert best["poserr"] < 1.5
        assert best["cameras"] == "ACIS"
        assert best["flux_peak"] is None or np.isnan(best["flux_peak"])


def test_what_the_search_knows_of_the_telescope_survives_the_file(flaring):
    _, result = flaring
    (subset,) = read_subsets(result.folder / "events.h5")
    assert subset.mission == "chandra"
    assert subset.camera_names == ("ACIS",)
    assert subset.pixel_arcsec(20.0) == 4.0
    assert result.manifest["mission"] == "chandra"
    assert {row["cautions"] for row in result.runs.to_pylist()} == {"no_obsmli"}


def test_photons_can_be_injected_into_a_list_of_another_mission(flaring):
    truth, result = flaring
    (subset,) = read_subsets(result.folder / "events.h5")
    burst = truth.bursts[0]
    item = Injection(ra=burst.ra, dec=burst.dec, t_peak=subset.t0 + 8000.0, duration=100.0, fluence=50.0)
    added = inject(subset, [item], seed=1).events_of[0]
    assert 20 < len(added) < 90
    distance = np.hypot(added.x - burst.x, added.y - burst.y) * 0.05
    assert np.median(distance) < 2.0


def test_a_background_flare_is_bad_time_where_the_mission_declares_a_threshold(tmp_path, repository):
    table = (repository / "resources/xmm/missions.toml").read_text()
    table += "\n[chandra.flare]\nband_ev = [300, 10000]\nthreshold_ct_s = 1.0\n"
    (tmp_path / "missions.toml").write_text(table)
    options = {"events": {"missions": str(tmp_path / "missions.toml")}, "cube": OPTIONS["cube"]}
    burst = [ChandraFlare(-60.0, 0.0, 3000.0, 500.0, 1000.0)]
    _, result = searched(tmp_path / "list", options, seed=1, flares=burst)
    runs = result.runs.to_pylist()
    assert all(row["n_bti"] > 0 for row in runs)
    assert all(row["n_bti"] * row["t_bin"] < 1200 for row in runs)


def test_a_sheet_that_names_no_mission_or_another_one_says_what_to_do(tmp_path, repository):
    path = tmp_path / "acisf90001_evt2.fits"
    chandra_list(path, obsid=OBSID, duration=1000.0)
    settings = load({}).xmm.events
    (row,) = select_lists(OBSID, [path], settings).outcomes
    assert row.outcome is Outcome.BAD_KEYWORDS
    assert "TELESCOP = 'CHANDRA': name its mission in the sample sheet" in row.detail
    manifest = from_folder(OBSID, [str(tmp_path)])
    assert "name its mission in the sample sheet: acisf90001_evt2.fits" in manifest.detail
    with pytest.raises(MissionTableError, match="does not declare"):
        select_lists(OBSID, [path], settings, "asca")


def test_the_archive_of_another_mission_is_not_asked(tmp_path):
    (tmp_path / "source.json").write_text(
        json.dumps({"unit": OBSID, "kind": "archive", "location": "", "mission": "chandra"})
    )
    job = SimpleNamespace(
        input=SimpleNamespace(source=tmp_path / "source.json"),
        output=SimpleNamespace(manifest=tmp_path / "manifest.json"),
        settings=load({}).xmm.download,
    )
    download(job)
    assert "name a folder or files" in json.loads((tmp_path / "manifest.json").read_text())["detail"]
