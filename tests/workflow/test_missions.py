"""Lists of another mission through Snakemake, beside those of XMM-Newton in one run."""

from __future__ import annotations

import json
import shutil
from collections import Counter

from ephemera.tables import read
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, OUTCOMES
from ephemera.xmm.completeness_columns import RECOVERY
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.wide_columns import WIDE_FEATURES

OVERLAY = """\
project: missions
xmm:
  samples: sheet.tsv
  cube: {time_bins_s: [200.0], bands_kev: [[0.5, 2.0], [2.0, 8.0], [0.5, 8.0]]}
  spectra: {enabled: true, max_figures: 2}
  wide_features: {enabled: true}
  figures: {max_light_curves: 1}
"""
SIMULATED, REAL = "0000000007", "0000028229"


def write_sheet(checkout, rows, header="obsid\tsource\tlocation\tmission"):
    (checkout.root / "sheet.tsv").write_text("\n".join([header, *("\t".join(row) for row in rows)]) + "\n")
    (checkout.root / "overlay.yaml").write_text(OVERLAY)
    return ("--configfile", "overlay.yaml")


def test_a_real_and_a_simulated_chandra_list(checkout, shared_data):
    real = checkout.root / "acisf28229_evt2.fits"
    shutil.copy(shared_data / "xray" / "chandra_28229_sgra_repro_evt2.fits", real)
    rows = [(SIMULATED, "simulate", "chandra-flare", "chandra"), (REAL, "files", real.name, "chandra")]
    arguments = write_sheet(checkout, rows)
    checkout.snakemake(*arguments)
    xmm = checkout.root / "results/current/xmm"
    recovery = read(xmm / "recover/missions.recovery.parquet", RECOVERY).to_pylist()
    assert [row["found"] for row in recovery] == [True, True]
    assert all(row["separation"] < 1 for row in recovery)
    runs = read(xmm / "catalogue/missions/runs.parquet", RUNS).to_pylist()
    quiet = [row for row in runs if row["obsid"] == REAL]
    expected = sum(row["n_false_expected"] for row in quiet)
    assert len(quiet) == 3
    assert sum(row["n_peaks"] + row["n_eclipses"] for row in quiet) <= expected + 3 * expected**0.5 + 1
    detections = read(xmm / "catalogue/missions/detections.fits", CATALOGUE_DETECTIONS)
    assert set(detections["cameras"].to_pylist()) == {"ACIS"}
    outcomes = read(xmm / "catalogue/missions/outcomes.csv", OUTCOMES).to_pylist()
    assert {row["outcome"] for row in outcomes if row["file"]} == {"ok"}
    figures = {path.name for path in (xmm / "figures" / REAL).iterdir()}
    assert {"image_subset_0.png", "bright_subset_0_1.png", "outcome.png"} <= figures
    wide = read(xmm / f"wide_features/{SIMULATED}.wide_features.parquet", WIDE_FEATURES)
    assert len(wide) == sum(1 for obsid in detections["obsid"].to_pylist() if obsid == SIMULATED)
    assert list((xmm / f"spectra/{SIMULATED}.figures").glob("spectrum_*.png"))
    note = json.loads((checkout.root / "raw/xmm" / REAL / "source.json").read_text())
    assert note["mission"] == "chandra"
    assert checkout.planned(*arguments) == Counter()


def test_the_sheet_may_name_only_declared_missions_and_xmm_rows_keep_their_notes(checkout):
    arguments = write_sheet(checkout, [(SIMULATED, "simulate", "small", "asca")])
    answer = checkout.snakemake("--dry-run", *arguments, check=False)
    assert "mission 'asca' is none of xmm, chandra" in answer.stdout + answer.stderr
    arguments = write_sheet(checkout, [(SIMULATED, "simulate", "small", "")])
    checkout.snakemake("--dry-run", *arguments)
    with_column = (checkout.root / "raw/xmm" / SIMULATED / "source.json").read_bytes()
    write_sheet(checkout, [(SIMULATED, "simulate", "small")], "obsid\tsource\tlocation")
    checkout.snakemake("--dry-run", *arguments)
    assert (checkout.root / "raw/xmm" / SIMULATED / "source.json").read_bytes() == with_column
    assert b"mission" not in with_column
