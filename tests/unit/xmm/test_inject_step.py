"""The steps inject, false_alarms, recover and purity on observations that can and cannot be searched."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from ephemera.config.load import ConfigurationError, load
from ephemera.job import Job, namespace
from ephemera.tables import read
from ephemera.tables.foreign import CatalogueError
from ephemera.xmm import false_alarms, inject, purity, recover
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.completeness_columns import (
    BIASES,
    COMPLETENESS,
    FALSE_ALARMS,
    FLUENCES,
    PURITY,
    RECOVERY,
    SEARCH_MODES,
)
from ephemera.xmm.events_store import read_source_columns, read_subsets
from ephemera.xmm.injection_columns import FOUND, INJECTIONS
from ephemera.xmm.injection_draw import spectrum_of
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.search import in_mode, search
from ephemera.xmm.simulate import small_case
from ephemera.xmm.simulate_hostile import LISTS
from xmm_chain import search as search_in_steps

OBSID = "0800000201"
OPTIONS = {
    "cube": {"time_bins_s": [50.0, 200.0], "bands_kev": [[0.2, 12.0]]},
    "inject": {"trials": 3, "per_trial": 4, "modes": ["main", "time"], "fluence": [100.0, 600.0]},
    "false_alarms": {"draws": 5, "shuffles": 2, "modes": ["main", "time"], "sigmas": [2.0, 5.0]},
}
SEARCH = ("events", "cube", "expectation", "detect", "regions", "features")
SECTIONS = (*SEARCH, "inject", "recover", "false_alarms")


def options_of(xmm):
    configured = load({"xmm": xmm}).xmm
    return namespace({name: getattr(configured, name).settings() for name in SECTIONS} | {"seed": 0})


def job(settings, inputs, outputs, **wildcards):
    return Job(
        input=SimpleNamespace(**inputs), output=SimpleNamespace(**outputs), settings=settings,
        wildcards=SimpleNamespace(**wildcards), recipe={"key": "test"}, threads=1,
    )  # fmt: skip


def run_inject(folder, obsid=OBSID, xmm=OPTIONS, name="a"):
    outputs = {"injections": folder / f"{name}.injections.parquet", "found": folder / f"{name}.found.parquet"}
    inject.main(job(options_of(xmm), {"events": folder / "events.h5"}, outputs, obsid=obsid))
    return read(outputs["injections"], INJECTIONS), read(outputs["found"], FOUND)


def run_false_alarms(folder, obsid=OBSID, xmm=OPTIONS):
    inputs = {name: folder / f"{name}.h5" for name in ("events", "cube", "expectation")}
    path = folder / "false_alarms.parquet"
    false_alarms.main(job(options_of(xmm), inputs, {"false_alarms": path}, obsid=obsid))
    return read(path, FALSE_ALARMS)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """A small observation searched step by step."""
    source = tmp_path_factory.mktemp("small") / OBSID
    small_case(source, duration=1500.0)
    steps = {name: values for name, values in OPTIONS.items() if name == "cube"}
    return search_in_steps(source, tmp_path_factory.mktemp("found"), OBSID, steps)


@pytest.fixture(scope="module")
def injected(searched):
    return run_inject(searched.folder)


def test_one_search_in_this_process_finds_what_the_steps_find(searched):
    subset = read_subsets(searched.folder / "events.h5")[0]
    sources = read_source_columns(searched.folder / "events.h5")
    runs = search(subset, sources, in_mode(options_of(OPTIONS), "main"))
    mine = {
        (str(d), round(float(s), 9)) for one in runs for d, s in zip(
            one.found.regions["detid"], one.found.regions["best_sigma"], strict=True)
    }  # fmt: skip
    table = searched.detections
    steps = {
        (d, round(s, 9))
        for d, s in zip(table["detid"].to_pylist(), table["best_sigma"].to_pylist(), strict=True)
    }
    assert mine == steps
    assert len(steps) > 0


def test_injections_and_what_was_found_of_them(injected):
    truth, found = injected
    rows = truth.to_pylist()
    assert 3 <= len(rows) <= 12
    assert {row["trial"] for row in rows} == {0, 1, 2}
    assert all(row["n_kept"] <= row["n_drawn"] for row in rows)
    assert all(row["n_pn"] + row["n_m1"] + row["n_m2"] >= row["n_kept"] for row in rows)
    assert len(found) == len(rows) * 2 * 2
    bright = {
        (row["trial"], row["id"])
        for row in rows
        if row["kind"] == "peak" and row["n_kept"] > 80 and row["duration"] < 400
    }
    hit = {(row["trial"], row["id"]) for row in found.to_pylist() if row["found"]}
    assert bright
    assert bright <= hit
    for row in found.to_pylist():
        assert (row["sigma"] is not None) == row["found"]
        if row["found"] and row["mode"] == "main":
            assert np.hypot(row["dx"], row["dy"]) <= 20


def test_the_step_repeats_itself_to_the_byte(searched, injected):
    again = run_inject(searched.folder, name="b")
    assert again[0].equals(injected[0])
    assert again[1].equals(injected[1])
    for kind in ("injections", "found"):
        files = [(searched.folder / f"{name}.{kind}.parquet").read_bytes() for name in "ab"]
        assert files[0] == files[1]


@pytest.fixture(scope="module")
def alarms(searched):
    return run_false_alarms(searched.folder)


def test_false_alarms_of_every_run_by_draws_and_shuffles(alarms):
    rows = alarms.to_pylist()
    drawn = [row for row in rows if row["method"] == "poisson"]
    assert len(drawn) == 2 * 2
    for row in drawn:
        assert row["n_draws"] == 5
        assert row["n_cells"] > 1000
    low = [row for row in drawn if row["sigma"] == 2.0]
    expected = sum(5 * row["n_false_expected"] for row in low)
    assert abs(sum(row["n_cells_found"] for row in low) - expected) < 5 * np.sqrt(expected) + 3
    mixed = [row for row in rows if row["method"] == "shuffled"]
    assert {row["sigma"] for row in mixed} == {5.0}  # detections are kept at 3 sigma
    assert {row["mode"] for row in mixed} == {"main", "time"}
    strong = [
        row for row in mixed if row["sigma"] == 5.0 and row["mode"] == "main" and row["selection"] == "all"
    ]
    # The burst of 60 counts is gone.
    assert sum(row["n_regions_found"] for row in strong) == 0


def test_recovery_and_purity_of_a_project(searched, injected, alarms, tmp_path):
    folder = searched.folder
    detections = tmp_path / "detections.parquet"
    rows = [{**row, "srcid": 1} for row in searched.detections.to_pylist()]
    from ephemera.tables import write

    write(rows, CATALOGUE_DETECTIONS, detections)
    names = {
        "recovery": RECOVERY,
        "completeness": COMPLETENESS,
        "fluences": FLUENCES,
        "biases": BIASES,
    }
    names["search_modes"] = SEARCH_MODES
    outputs = {name: tmp_path / f"{name}.parquet" for name in names} | {"figures": tmp_path / "figures"}
    inputs = {
        "truths": [], "detections": detections, "injections": [folder / "a.injections.parquet"],
        "found": [folder / "a.found.parquet"], "false_alarms": [folder / "false_alarms.parquet"],
    }  # fmt: skip
    settings = namespace(load({"xmm": OPTIONS}).xmm.recover.settings() | {"threshold_sigma": 3.0})
    recover.main(job(settings, inputs, outputs, project="p"))
    tables = {name: read(outputs[name], declaration) for name, declaration in names.items()}
    n_bursts = sum(row["kind"] == "peak" for row in injected[0].to_pylist())
    modes = {(row["mode"], row["sigma"]): row for row in tables["search_modes"].to_pylist()}
    assert set(modes) == {("main", 3.0), ("main", 5.0), ("time", 3.0), ("time", 5.0)}
    assert modes["main", 3.0]["n"] == n_bursts
    assert modes["time", 5.0]["n_shuffles"] == 2
    assert len(tables["recovery"]) == 0
    assert len(tables["completeness"]) > 0
    assert {path.name for path in outputs["figures"].iterdir()} >= {"completeness.png", "circumstances.png"}
    products = {
        "purity": tmp_path / "purity.parquet", "false_alarms": tmp_path / "alarms.parquet",
        "figure": tmp_path / "alarms.png",
    }  # fmt: skip
    runs = {"runs": folder / "runs.parquet", "detections": detections}
    purity.main(job(None, runs | {"false_alarms": inputs["false_alarms"]}, products, project="p"))
    pure = read(products["purity"], PURITY).to_pylist()
    assert {row["scope"] for row in pure} == {"run", "project"}
    assert all(row["purity"] is None or 0 <= row["purity"] <= 1 for row in pure)
    assert products["figure"].stat().st_size > 1000
    assert len(read(runs["runs"], RUNS)) == 2


@pytest.mark.parametrize("case", ["empty_folder", "lamp", "short"])
def test_what_cannot_be_searched_gives_empty_tables(case, tmp_path):
    source = tmp_path / "data"
    obsid = "0800000901"
    if case == "lamp":
        LISTS["calibration_lamp"][0](source)
    elif case == "short":
        small_case(source, obsid=obsid, duration=300.0)
    else:
        source.mkdir()
    cube = {"cube": OPTIONS["cube"]}
    found = search_in_steps(source, tmp_path / "found", obsid, cube)
    truth, hits = run_inject(found.folder, obsid)
    assert (len(truth), len(hits)) == (0, 0)
    assert truth.column_names == list(INJECTIONS.names)
    assert len(run_false_alarms(found.folder, obsid)) == 0
    shutil.rmtree(source)


def test_one_camera_alone_can_be_injected_into(tmp_path):
    from ephemera.xmm.observation import Camera
    from ephemera.xmm.simulate import observation

    obsid = "0800000902"
    observation(tmp_path / "data", obsid=obsid, duration=1500.0, cameras=[Camera.PN])
    found = search_in_steps(tmp_path / "data", tmp_path / "found", obsid, {"cube": OPTIONS["cube"]})
    truth, _ = run_inject(found.folder, obsid, OPTIONS | {"inject": {"trials": 1, "eclipse_share": 0.0}})
    rows = truth.to_pylist()
    assert rows
    assert all(row["n_m1"] == row["n_m2"] == 0 for row in rows)
    assert sum(row["n_pn"] for row in rows) > 0


def test_spectra_of_the_options(tmp_path):
    table = tmp_path / "spectrum.csv"
    table.write_text("energy_ev,counts_per_ev\n500,1\n1500,2\n")
    settings = {"spectrum": "table", "spectrum_table": str(table)}
    name, spectrum = spectrum_of(load({"xmm": {"inject": settings}}).xmm.inject)
    assert (name, spectrum.energies) == ("table", (500.0, 1500.0))
    assert (
        spectrum_of(load({"xmm": {"inject": {"spectrum": "black_body"}}}).xmm.inject)[0]
        == "black body 0.5 keV"
    )
    table.write_text("energy,counts\n500,1\n1500,2\n")
    with pytest.raises(CatalogueError, match=r"spectrum.csv: there is no column energy_ev, counts_per_ev"):
        spectrum_of(load({"xmm": {"inject": settings}}).xmm.inject)
    table.write_text("energy_ev,counts_per_ev\n500,1\n")
    with pytest.raises(ValueError, match="two or more rising"):
        spectrum_of(load({"xmm": {"inject": settings}}).xmm.inject)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"inject": {"fluence": [50.0, 5.0]}}, r"must be \[low, high\] with low < high"),
        ({"inject": {"modes": ["main", "main"]}}, "a way to search is named twice"),
        ({"inject": {"modes": ["fast"]}}, "modes"),
        ({"inject": {"trials": -1}}, "trials"),
        ({"inject": {"spectrum": "table"}}, "spectrum table needs spectrum_table"),
        ({"inject": {"modes": ["second_pass"]}, "detect": {"detector": "varimage"}}, "second_pass needs"),
        ({"false_alarms": {"sigmas": []}}, "sigmas"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        load({"xmm": wrong})


def test_a_second_pass_of_another_detector_is_refused():
    options = options_of(OPTIONS | {"detect": {"detector": "varimage"}})
    assert in_mode(options, "time").detect.detector == "varimage"
    with pytest.raises(ValueError, match="mode second_pass needs the detector bayes, got varimage"):
        in_mode(options, "second_pass")


def test_an_unknown_way_to_search_is_refused():
    with pytest.raises(
        ValueError, match="mode must be one of main, time, all, second_pass, smooth_few, got 'fast'"
    ):
        in_mode(options_of(OPTIONS), "fast")
