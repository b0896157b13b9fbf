"""Pages without network references, the film as the encoder made it, and a ZIP that repeats to the byte."""

import base64
import json
import re
import subprocess
import zipfile

import numpy as np
import pytest

from builders.jwst_steps import run_steps
from ephemera.files import sha256_of
from ephemera.jwst import video
from ephemera.jwst.analysis import read_analyses
from ephemera.jwst.compare import amplitudes, check_scales
from ephemera.jwst.compare import rows as compare_rows
from ephemera.jwst.cube import read_series_file
from ephemera.jwst.display import Display, Segment, _bridged, colour_limits, flux_matrix, make_display
from ephemera.jwst.pages import error_codes, plotting_library
from ephemera.jwst.progress import STAGES, Progress
from ephemera.jwst.simulate import SCENARIOS, simulate

PAGES = ("surface", "heatmap", "combined")


def settings(**values):
    from types import SimpleNamespace

    from ephemera.config.jwst import Pages

    return SimpleNamespace(**Pages.model_validate(values).settings())


def display_of(folder, **values):
    store = read_analyses(folder / "analysis.h5")
    whole = read_series_file(folder / "series.h5")[0]
    return make_display(store.analyses[0], store.analyses[0].normalised(whole), settings(**values))


def text_of(products, name):
    return (products / "pages" / f"{name}.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_pages_hold_no_network_reference(products, name):
    text = text_of(products, name).replace(plotting_library(), "")
    assert not re.search(
        r"(?:src|href|action|poster|data)\s*=\s*[\"']?\s*(?:https?:)?//", text, re.IGNORECASE
    )
    assert not re.search(r"<(?:link|iframe|object|embed|base)\b", text, re.IGNORECASE)
    assert not re.search(r"@import|url\(\s*[\"']?(?!data:)", text)
    assert "http://" not in text
    assert "https://" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(("name", "most"), [("surface", 10e6), ("heatmap", 10e6), ("combined", 25e6)])
def test_sizes(products, name, most):
    assert 4.5e6 < len(text_of(products, name)) < most


def test_hostile_band_name_cannot_end_a_script(products):
    for name in PAGES:
        text = text_of(products, name)
        assert "</script><b>x" not in text
        meta = re.search(r'<script type="application/json" id="meta">(.*?)</script>', text, re.DOTALL)
        assert json.loads(meta[1])["bands"][1]["name"] == "</script><b>x"


def test_arrays_are_in_the_page_as_base64(products):
    meta = json.loads(re.search(r'id="meta">(.*?)</script>', text_of(products, "heatmap"), re.DOTALL)[1])
    block = re.search(r'id="V0">(.*?)</script>', text_of(products, "heatmap"))[1]
    values = np.frombuffer(base64.b64decode(block), "<f4")
    shape = (meta["series"][0]["rows"], meta["series"][0]["cols"])
    assert values.size == shape[0] * shape[1]
    np.testing.assert_array_equal(values.reshape(shape), display_of(products).variability)


def test_page_says_what_was_read_and_the_factors(products):
    text = text_of(products, "combined")
    assert "1 file and 60 integrations read: 60 used, 0 refused; 120 cells masked" in text
    assert "1 integration and 1 channel to a cell" in text
    assert "sigma 2 columns" in text
    assert "data:video/mp4;base64," in text


def test_error_codes_are_fine_enough():
    error = np.geomspace(1e-4, 10, 1000).astype(np.float32)
    error[5] = np.nan
    codes, (low, step) = error_codes(error)
    again = np.exp(low + step * (codes.astype(float) - 1))
    known = np.isfinite(error)
    assert again[known] == pytest.approx(error[known], rel=2e-4)
    assert codes[5] == 0


def test_flux_follows_from_variability_and_level(products):
    shown = display_of(products, sigma_time=0)
    one = read_series_file(products / "series.h5")[0]
    np.testing.assert_allclose(flux_matrix(shown), one.flux, rtol=1e-5)


def test_display_is_small_and_bins_stay_in_visits(tmp_path):
    from dataclasses import replace

    scenario = replace(
        SCENARIOS["two_visits"],
        n_integrations=1500,
        cadence_s=10.0,
        detectors=(("NRS1", 1, 2.87, 3.72, 700),),
        gaps=((2.0, 3.0),),
    )
    simulate(tmp_path / "source", scenario)
    folder = run_steps(tmp_path / "out", tmp_path / "source", until="series")
    shown = display_of(folder, max_integrations=100)
    assert len(shown.hours) <= 100
    assert len(shown.wavelength) <= 500
    assert shown.count.sum() == 1500
    assert [s.visit for s in shown.segments] == [0, 1]
    gap = np.diff(shown.hours).max()
    assert gap > 2.9
    sampled = display_of(folder, max_integrations=100, reduce="sample")
    assert sampled.sampled
    assert (sampled.count == 1).all()
    bridged = display_of(folder, max_integrations=100, interpolate_gaps=True)
    synthetic = [s for s in bridged.segments if s.synthetic]
    assert len(synthetic) == 1
    assert (bridged.count[synthetic[0].start : synthetic[0].stop] == 0).all()
    assert np.isnan(bridged.error[:, synthetic[0].start :]).all()


def test_colour_limits(products):
    shown = display_of(products)
    (low, high), (dim, bright) = colour_limits(shown)
    assert low == -high
    known = shown.variability[np.isfinite(shown.variability)]
    assert high == pytest.approx(np.percentile(np.abs(known), 99.5))
    assert 0 < dim < bright


def test_wavelength_gap_between_stitched_detectors_stays_empty(tmp_path):
    simulate(tmp_path / "source", SCENARIOS["two_visits"])
    folder = run_steps(
        tmp_path / "out", tmp_path / "source", {"read": {"stitch": ["NRS1", "NRS2"]}}, until="series"
    )
    shown = display_of(folder)
    inside = (shown.wavelength > 3.725) & (shown.wavelength < 3.815)
    assert inside.sum() == 2
    assert np.isnan(shown.variability[inside]).all()


def probe(path):
    program = video.encoder()
    answer = subprocess.run(
        [program, "-hide_banner", "-i", str(path), "-map", "0:v:0", "-c", "copy", "-f", "null", "-"],
        capture_output=True,
        text=True,
    )
    return answer.stderr


def test_film_is_as_asked(products):
    path = products / "video" / "spectrum.mp4"
    words = probe(path)
    assert "h264" in words
    assert "yuv420p" in words
    assert "320x240" in words
    assert "12 fps" in words
    assert re.search(r"frame=\s*12\b", words)
    content = path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat"), "the index is at the start"


def test_film_of_light_curves(products, tmp_path):
    from types import SimpleNamespace

    store, series = read_analyses(products / "analysis.h5"), read_series_file(products / "series.h5")
    options = SimpleNamespace(size=[320, 240], frames=5, fps=10, quality=30, mode="time")
    video.make_film(tmp_path, store, series, options, Progress())
    assert re.search(r"frame=\s*5\b", probe(tmp_path / "spectrum.mp4"))


def test_frames_are_kept_without_an_encoder(products, tmp_path, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr(video, "encoder", lambda: None)
    store, series = read_analyses(products / "analysis.h5"), read_series_file(products / "series.h5")
    options = SimpleNamespace(size=[320, 240], frames=3, fps=10, quality=30, mode="wavelength")
    video.make_film(tmp_path, store, series, options, Progress())
    assert len(list((tmp_path / "frames").glob("*.png"))) == 3


def test_failing_encoder_says_why(tmp_path):
    with pytest.raises(OSError, match="the encoder failed"):
        video.encode(video.encoder(), tmp_path / "no" / "a.mp4", iter([bytes(16)]), (2, 2), 1, 20)


def test_frames_are_even_and_hold_first_and_last():
    assert video.frame_indices(469, 100)[[0, -1]].tolist() == [0, 468]
    assert video.frame_indices(5, 600).tolist() == [0, 1, 2, 3, 4]
    assert video.even([321, 241]) == (320, 240)


def test_zip_holds_everything_with_fixed_dates(products):
    with zipfile.ZipFile(products / "bundle" / "unit.zip") as archive:
        names = set(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.testzip() is None
    wanted = [
        "surface.html",
        "heatmap.html",
        "combined.html",
        "spectrum.mp4",
        "white_light.ecsv",
        "white_light.csv",
        "white_light.png",
        "white_light.pdf",
        "bands.ecsv",
        "bands.csv",
        "bands.png",
        "bands.pdf",
        "spectrum_median.ecsv",
        "cube.h5",
        "quality.json",
        "quality.html",
        "quality.png",
        "metadata.json",
        "bad_inputs.ecsv",
        "provenance.json",
    ]
    assert {f"unit/{name}" for name in wanted} <= names
    note = json.loads((products / "bundle" / "provenance.json").read_text())
    assert note["inputs"][0]["sha256"] == sha256_of(next((products.parent / "source").iterdir()))
    assert "cube.h5" in note["products"]


def test_two_runs_give_equal_zips(products, tmp_path, small):
    from unit.jwst.conftest import BANDS

    simulate(tmp_path / "source", small)
    options = {"series": {"bands": BANDS, "transit": True}, "video": {"frames": 12, "size": [321, 241]}}
    again = run_steps(
        tmp_path / "out",
        tmp_path / "source",
        options,
        note={"unit": "unit", "kind": "folder", "location": str(products.parent / "source")},
    )
    assert sha256_of(again / "bundle" / "unit.zip") == sha256_of(products / "bundle" / "unit.zip")


def test_dataset_without_series_still_has_pages(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.fits").write_bytes(b"")
    folder = run_steps(tmp_path / "out", source)
    text = (folder / "pages" / "combined.html").read_text()
    assert "no_series" in text
    assert "the file has no bytes" in text
    assert (folder / "bundle" / "unit.zip").exists()


def test_empty_folder_is_an_outcome(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "notes.txt").write_text("x")
    folder = run_steps(tmp_path / "out", source, until="read")
    facts = json.loads((folder / "read.json").read_text())
    assert facts["outcome"] == "no_files"
    assert "it holds notes.txt" in facts["detail"]


@pytest.mark.parametrize("layout", ["old", "eureka", "two_visits"])
def test_all_layouts_run_through(tmp_path, layout):
    simulate(tmp_path / "source", SCENARIOS[layout])
    folder = run_steps(tmp_path / "out", tmp_path / "source", {"video": {"enabled": False}})
    assert (folder / "bundle" / "unit.zip").exists()
    assert "No video was made" in (folder / "pages" / "combined.html").read_text()


def test_one_integration_runs_through(tmp_path):
    from dataclasses import replace

    simulate(tmp_path / "source", replace(SCENARIOS["small"], n_integrations=1))
    folder = run_steps(tmp_path / "out", tmp_path / "source", {"video": {"frames": 2, "size": [320, 240]}})
    assert (folder / "bundle" / "unit.zip").exists()


def test_simulation_repeats_and_follows_the_seed(tmp_path, small):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, small, seed)
    a, b, c = (next((tmp_path / name).iterdir()).read_bytes() for name in "abc")
    assert a == b
    assert a != c
    with pytest.raises(ValueError, match="new, old or eureka"):
        simulate(tmp_path / "d", SCENARIOS["small"].__class__(layout="strange"))


def test_injected_transit_is_found(tmp_path):
    from dataclasses import replace

    scenario = replace(SCENARIOS["small"], n_integrations=240, cadence_s=60.0, sine=None)
    truth = simulate(tmp_path / "source", scenario)
    options = {"series": {"transit": True, "baseline": "out_of_transit"}}
    folder = run_steps(tmp_path / "out", tmp_path / "source", options, until="series")
    found = read_analyses(folder / "analysis.h5").analyses[0].metrics["transit"]
    assert found["t0"] == pytest.approx(truth["t0"], abs=3e-4)
    assert found["depth"] == pytest.approx(scenario.depth, abs=2e-4)
    assert found["duration"] * 24 == pytest.approx(scenario.duration_hours, abs=0.02)


def test_comparison(products, tmp_path):
    from types import SimpleNamespace

    from ephemera.jwst import compare

    other = tmp_path / "other.analysis.h5"
    simulate(tmp_path / "source", SCENARIOS["eureka"])
    folder = run_steps(tmp_path / "out", tmp_path / "source", until="series")
    other.write_bytes((folder / "analysis.h5").read_bytes())
    first = tmp_path / "first.analysis.h5"
    first.write_bytes((products / "analysis.h5").read_bytes())
    options = SimpleNamespace(period_d=None, epoch_d=None)
    job = SimpleNamespace(
        settings=options,
        input=SimpleNamespace(analyses=[other, first]),
        output=SimpleNamespace(comparison=tmp_path / "compared"),
    )
    compare.main(job)
    page = (tmp_path / "compared" / "comparison.html").read_text()
    assert "Flux units differ (Jy, electron)" in page
    stores = {"first": read_analyses(first), "other": read_analyses(other)}
    listed = compare_rows(stores)
    assert [row[0] for row in listed] == ["first"] * 3 + ["other"]
    assert listed[0][5] == 60
    middles, scatter, excess = amplitudes(stores["first"].analyses[0])
    assert len(middles) == len(scatter) == len(excess) > 5
    assert (scatter > 0).all()
    assert ((excess >= 0) & (excess <= scatter)).all()
    stores["other"].facts["series"][0]["time_scale"] = "MJD_UTC (not barycentred)"
    with pytest.raises(ValueError, match="phases need one time scale"):
        check_scales(stores, SimpleNamespace(period_d=2.0, epoch_d=1.0))
    assert "Time scales differ" in check_scales(stores, options)[0]


def test_phases():
    from types import SimpleNamespace

    from ephemera.jwst.compare import abscissa

    one = SimpleNamespace(time=np.array([1.0, 1.5, 2.0, 2.75]), hours=np.zeros(4))
    assert abscissa(one, SimpleNamespace(period_d=1.0, epoch_d=1.0)).tolist() == [0, 0.5, 0, -0.25]


def test_progress_never_falls_and_is_not_too_often(tmp_path):
    progress = Progress(tmp_path / "a.log")
    for stage in STAGES:
        for k in range(1000):
            progress.stage(stage, k, 1000)
    progress.stage("scan", 0, 1)
    progress.done()
    lines = [json.loads(line) for line in (tmp_path / "a.progress.jsonl").read_text().splitlines()]
    percents = [line["percent"] for line in lines]
    assert percents == sorted(percents)
    assert len(lines) <= 2 * len(STAGES) + 3
    assert {"stage", "done", "total", "elapsed_s", "remaining_s"} <= set(lines[0])
    assert sum(STAGES.values()) == 100


def test_progress_of_the_steps_is_written_beside_their_logs(products):
    lines = (products / "video.progress.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["percent"] > 50


def test_only_what_was_sampled_is_said_to_be(products):
    assert not display_of(products, reduce="sample").sampled


def test_synthetic_columns_belong_to_the_visit_before_them():
    hours = np.array([0.0, 1.0, 2.0, 3.0, 10.0, 11.0])
    values = np.arange(12, dtype=np.float32).reshape(2, 6)
    shown = Display(
        "a", hours, 60000 + hours / 24, np.array([1.0, 2.0]), values, values, np.ones((3, 2), np.float32),
        np.ones(6, np.int64), [Segment(0, 2, 0), Segment(2, 4, 1), Segment(4, 6, 2)], {}, 1, 1, sampled=False,
    )  # fmt: skip
    bridged = _bridged(shown)
    assert [(s.start, s.stop, s.visit) for s in bridged.segments if s.synthetic] == [(6, 12, 1)]
    assert bridged.hours[6:].tolist() == [4, 5, 6, 7, 8, 9]
