"""Whole observations: the files hold what the truth says, to the event and to the byte."""

from __future__ import annotations

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from ephemera.files import sha256_of
from ephemera.sky.tan import to_sky
from ephemera.xmm.observation import EPIC, Camera
from ephemera.xmm.simulate import demo, observation, peer_case, product_name, small_case
from ephemera.xmm.simulate_detector import SkyMask
from ephemera.xmm.simulate_scene import (
    NO_DEFECTS,
    Background,
    Burst,
    Eclipse,
    Exposure,
    Flare,
    Gap,
    Source,
)
from ephemera.xmm.simulate_truth import Truth, read_truth

QUIET = Background(dict.fromkeys(Camera, 0.5))
SHORT = {"duration": 1500.0, "background": QUIET, "defects": NO_DEFECTS}


def events(path: Path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path) as hdus:
            return np.array(hdus["EVENTS"].data)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("small")
    return folder, small_case(folder)


def test_the_small_case_has_one_of_everything(small):
    folder, truth = small
    assert 1e4 <= truth.rows <= 1.2e5
    assert len(truth.sources) == 20
    assert len(truth.bursts) == len(truth.eclipses) == len(truth.flares) == 1
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [
            *(item.file for item in truth.lists),
            f"P{truth.obsid}EPX000OBSMLI0000.FTZ",
            "truth.json",
            *(f"hotpix_{c.name}.csv" for c in EPIC),
        ]
    )


def test_files_have_the_rows_that_the_truth_counts(small):
    folder, truth = small
    for item in truth.lists:
        rows = events(folder / item.file)
        assert len(rows) == item.rows
        assert 0.3 * item.rows < item.kept < item.rows
        pn = item.camera == "PN"
        good = (rows["FLAG"] & (0x0CFA0000 if pn else 0x766BA000) == 0) & (rows["X"] > 0)
        good &= (rows["PATTERN"] <= (4 if pn else 12)) & (rows["PI"] >= 200) & (rows["PI"] <= 12000)
        if pn:
            good &= (rows["RAWX"] >= 5) & (rows["RAWX"] <= 60) & (rows["RAWY"] >= 24) & (rows["RAWY"] <= 196)
            for ccd, column in ((4, 12), (5, 11), (10, 28)):
                good &= (rows["CCDNR"] != ccd) | (rows["RAWX"] != column)
        assert good.sum() == item.kept


def test_the_burst_stands_out_where_and_when_the_truth_says(small):
    folder, truth = small
    (burst,) = truth.bursts
    found = 0
    for item in truth.lists:
        rows = events(folder / item.file)
        near = np.hypot(rows["X"] - burst.x, rows["Y"] - burst.y) < 1200
        # A MOS reads a photon up to one frame after it came.
        found += (near & (rows["TIME"] > burst.start - 2.7) & (rows["TIME"] < burst.stop + 2.7)).sum()
    assert 0.8 * burst.kept <= found <= burst.kept + 25
    assert burst.drawn == pytest.approx(burst.asked, abs=5 * np.sqrt(burst.asked))
    assert burst.kept == sum(burst.kept_by_camera.values()) <= burst.written <= burst.drawn
    ra, dec = to_sky(burst.x, burst.y, truth.reference_ra, truth.reference_dec)
    assert (float(ra), float(dec)) == (burst.ra, burst.dec)


def test_the_eclipse_darkens_its_source(small):
    folder, truth = small
    (eclipse,) = truth.eclipses
    rows = events(folder / truth.lists[0].file)
    near = np.hypot(rows["X"] - eclipse.x, rows["Y"] - eclipse.y) < 300
    length = eclipse.stop - eclipse.start
    dark = (near & (rows["TIME"] > eclipse.start) & (rows["TIME"] < eclipse.stop)).sum()
    before = (near & (rows["TIME"] > eclipse.start - length) & (rows["TIME"] < eclipse.start)).sum()
    assert dark < 0.2 * before
    assert eclipse.removed == pytest.approx(0.6 * length, abs=5 * np.sqrt(0.6 * length))


def test_the_flare_is_in_the_hard_curve_of_every_camera(small):
    folder, truth = small
    (flare,) = truth.flares
    for item in truth.lists:
        rows = events(folder / item.file)
        valid = rows["PATTERN"] <= (4 if item.camera == "PN" else 12)
        hard = valid & (rows["PI"] >= 10000) & (rows["PI"] <= 12000)
        during = (rows["TIME"] > flare.start) & (rows["TIME"] < flare.stop)
        rate = (hard & during).sum() / (flare.stop - flare.start)
        quiet = (hard & ~during).sum() / (item.stop - item.start - (flare.stop - flare.start))
        assert rate > 0.5 > 0.4 > quiet
        assert len(np.unique(rows["CCDNR"][hard & during])) == len(np.unique(rows["CCDNR"]))


def test_the_source_list_names_all_sources(small):
    folder, truth = small
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(folder / f"P{truth.obsid}EPX000OBSMLI0000.FTZ") as hdus:
            table = np.array(hdus["SRCLIST"].data)
    assert len(table) == len(truth.sources)
    separation = np.hypot(
        (table["RA_CORR"] - [s.ra for s in truth.sources]) * np.cos(np.deg2rad(truth.reference_dec)),
        table["DEC_CORR"] - [s.dec for s in truth.sources],
    )
    assert separation.max() * 3600 < 6
    shift = np.median(table["DEC_CORR"] - table["DEC"]) * 3600
    assert shift == pytest.approx(0.5, abs=0.01)
    seen = np.isfinite(table["EP_8_RATE"])
    assert seen.sum() >= 15
    parts = sum(np.nan_to_num(table[f"{c}_8_RATE"]) for c in ("PN", "M1", "M2"))
    np.testing.assert_allclose(table["EP_8_RATE"][seen], parts[seen], rtol=1e-5)
    np.testing.assert_array_equal(table["EP_EXTENT"], np.array([s.extent for s in truth.sources], "f4"))


def test_hot_pixels_are_hot_and_in_the_table(small):
    folder, truth = small
    rows = events(folder / product_name(truth.obsid, Exposure(Camera.PN, "S003")))
    lines = (folder / "hotpix_PN.csv").read_text().splitlines()
    assert lines[0] == "RAWX,RAWY,CCDNR,REV1,REV2"
    table = np.array([line.split(",") for line in lines[1:]], dtype=int)
    applies = (table[:, 3] <= truth.revolution) & (truth.revolution <= table[:, 4])
    assert (~applies).sum() == 1
    assert applies.sum() == sum(p.camera == "PN" for p in truth.hot_pixels)
    counts = [
        ((rows["RAWX"] == x) & (rows["RAWY"] == y) & (rows["CCDNR"] == c)).sum()
        for x, y, c, _, _ in table[applies]
    ]
    assert np.median(counts) > 8


def test_the_truth_survives_its_file(small):
    folder, truth = small
    assert read_truth(folder / "truth.json") == truth


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    options = SHORT | {"sources": [Source(25921.0, 25921.0, 0.2)], "flares": [Flare(100, 50, 20)]}
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        observation(tmp_path / name, seed=seed, **options)
    digests = [{p.name: sha256_of(p) for p in (tmp_path / name).iterdir()} for name in "abc"]
    assert digests[0] == digests[1]
    lists = [name for name in digests[0] if "EVLI" in name]
    assert all(digests[0][name] != digests[2][name] for name in lists)


def test_one_camera_does_not_depend_on_the_others(tmp_path):
    burst = [Burst(25921.0, 25921.0, 500.0, 30.0, 100.0)]
    gzipped = [
        observation(tmp_path / name, cameras=cameras, bursts=burst, seed=1, **SHORT).lists
        for name, cameras in (("a", [Camera.PN]), ("b", [Camera.PN, Camera.M1]))
    ]
    alone, together = (lists[0] for lists in gzipped)
    assert alone.file == together.file
    # The burst is shared, so that a camera alone collects all of it.
    assert alone.rows > together.rows - 3 * np.sqrt(together.rows)


def test_an_exact_total_is_reached(tmp_path):
    truth = observation(tmp_path, total_events=4321, sources=[Source(25921.0, 25921.0, 0.5)], **SHORT)
    assert truth.rows == 4321
    assert sum(len(events(tmp_path / item.file)) for item in truth.lists) == 4321
    with pytest.raises(ValueError, match="total_events must be at least"):
        observation(tmp_path, total_events=10, sources=[Source(25921.0, 25921.0, 0.5)], **SHORT)


def test_five_lists_with_their_own_times(tmp_path):
    exposures = [
        Exposure(Camera.PN, "S003"),
        Exposure(Camera.M1, "S001", 100.0, -900.0, lost_ccds=(3, 6)),
        Exposure(Camera.M1, "U002", -700.0, 50.0, submode="PrimePartialW2", lost_ccds=(3, 6)),
        Exposure(Camera.M2, "S002", 100.0, -900.0),
        Exposure(Camera.M2, "U003", -700.0, 50.0, filter="Medium"),
    ]
    truth = observation(tmp_path, exposures=exposures, **SHORT)
    assert len(truth.lists) == len(list(tmp_path.glob("*EVLI0000.FTZ"))) == 5
    assert truth.lists[1].stop == truth.t0 + 600
    assert truth.lists[2].start == truth.t0 + 700
    with pytest.raises(ValueError, match="exposures must be one or more with different names"):
        observation(tmp_path, exposures=exposures[:1] * 2, **SHORT)


def test_a_flare_cut_removes_events_and_truth_alike(tmp_path):
    source = [Source(25921.0, 25921.0, 1.0)]
    whole = observation(tmp_path / "a", sources=source, **SHORT)
    cut = observation(tmp_path / "b", sources=source, flare_cut=[(0, 300), (600, 900)], **SHORT)
    assert cut.rows == pytest.approx(0.4 * whole.rows, rel=0.1)
    assert cut.sources[0].written == pytest.approx(0.4 * whole.sources[0].written, rel=0.15)
    time = events(tmp_path / "b" / cut.lists[0].file)["TIME"] - cut.t0
    assert not ((time > 300.2) & (time < 599.8)).any()


def test_a_gap_silences_its_ccds(tmp_path):
    truth = observation(tmp_path, cameras=[Camera.PN], gaps=[Gap(Camera.PN, 400, 200, (1, 2, 3))], **SHORT)
    rows = events(tmp_path / truth.lists[0].file)
    inside = (rows["TIME"] > truth.t0 + 400.2) & (rows["TIME"] < truth.t0 + 599.8)
    assert not np.isin(rows["CCDNR"][inside], [1, 2, 3]).any()
    assert inside.any()


def test_a_mask_must_fit_the_pointing(tmp_path):
    image = np.ones((900, 900), dtype=bool)
    image[:450] = False
    mask = SkyMask(image, 3425.5, 50.0, 114.2157)
    truth = observation(tmp_path, cameras=[Camera.M2], masks={Camera.M2: mask}, **SHORT)
    rows = events(tmp_path / truth.lists[0].file)
    assert rows["Y"][rows["Y"] > 0].min() >= 3425.5 + 50 * 449
    with pytest.raises(ValueError, match="masks must be made at the position angle"):
        observation(tmp_path, masks={Camera.M2: SkyMask(image, 3425.5, 50.0, 200.0)}, **SHORT)


@pytest.mark.parametrize("obsid", ["123", "08000001O1", "../0000001", "٠٨٠٠٠٠٠١٠١"])
def test_an_obsid_is_ten_digits(tmp_path, obsid):
    with pytest.raises(ValueError, match="obsid must be a text of ten digits"):
        observation(tmp_path, obsid=obsid)
    assert not list(tmp_path.iterdir())


def test_impossible_scenes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="eclipses must have a depth"):
        observation(tmp_path, eclipses=[Eclipse(0, 0.0, 10.0)])
    with pytest.raises(ValueError, match="duration must be a positive"):
        observation(tmp_path, duration=float("nan"))


def test_no_warning_no_date_no_leftover(small):
    folder, truth = small
    data = (folder / truth.lists[1].file).read_bytes()
    assert data[3] == 0  # the gzip header names no file
    assert data[4:8] == b"\0\0\0\0"
    assert not list(folder.glob(".partial*"))
    assert b"DATE    =" not in gzip.decompress(data)


def test_the_comparison_case(tmp_path):
    truth = peer_case(tmp_path)
    assert truth.rows == 965_645
    assert truth.t1 - truth.t0 == 45_000
    assert sum(item.kept for item in truth.lists) == pytest.approx(450_000, rel=0.03)
    assert len(truth.sources) == 300
    assert len(truth.flares) == 3
    assert [b.asked for b in truth.bursts] == [90, 220]
    assert [round(b.stop - b.start) for b in truth.bursts] == [25, 300]
    assert all(b.kept > 0.8 * b.drawn for b in truth.bursts)
    (eclipse,) = truth.eclipses
    assert eclipse.stop - eclipse.start == 1800
    assert truth.sources[eclipse.source].asked == pytest.approx(0.45 * 45_000)


def test_the_demonstration(tmp_path):
    first, second = demo(tmp_path)
    for truth in (first, second):
        assert truth.rows == pytest.approx(2e5, rel=0.15)
        assert truth.t1 - truth.t0 == 20_000
        assert len(truth.bursts) == 2
        assert len(list((tmp_path / truth.obsid).iterdir())) == 4
        assert read_truth(tmp_path / "truth" / truth.obsid / "truth.json") == truth
        for burst in truth.bursts:
            assert burst.kept > 0.8 * burst.drawn
    assert [len(t.eclipses) for t in (first, second)] == [1, 0]
    assert first.position_angle != second.position_angle
    repeat = [(b.ra, b.dec) for t in (first, second) for b in t.bursts]
    assert repeat[0] == repeat[3]
    both = json.loads((tmp_path / "truth.json").read_text())
    assert {o: Truth.from_json(json.dumps(t)) for o, t in both.items()} == {
        t.obsid: t for t in (first, second)
    }
    tables = sorted(p.name for p in (tmp_path / "hot_pixels").iterdir())
    assert tables == ["hotpix_M1.csv", "hotpix_M2.csv", "hotpix_PN.csv"]
