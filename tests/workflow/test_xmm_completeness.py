"""Completeness and purity through Snakemake: what is made, what is made again, and the report."""

from __future__ import annotations

from collections import Counter

from ephemera.tables import read
from ephemera.xmm.completeness_columns import COMPLETENESS, FALSE_ALARMS, PURITY, RECOVERY, SEARCH_MODES
from ephemera.xmm.simulate import small_case

OVERLAY = """\
project: measured
xmm:
  samples: sheet.tsv
  cube: {time_bins_s: [50.0], bands_kev: [[0.2, 12.0]]}
  figures: {enabled: false}
  inject: {trials: 2, per_trial: 4, fluence: [50.0, 500.0], modes: [main, second_pass]}
  false_alarms: {draws: 2, shuffles: 1}
"""


def test_completeness_and_purity_are_products_of_a_run(checkout):
    small_case(checkout.root / "data", obsid="0000000001", duration=1500.0)
    (checkout.root / "sheet.tsv").write_text("obsid\tsource\tlocation\n0000000001\tfolder\tdata\n")
    (checkout.root / "overlay.yaml").write_text(OVERLAY)
    arguments = ("--configfile", "overlay.yaml")
    checkout.snakemake(*arguments)
    current = checkout.root / "results/current/xmm"
    assert len(read(current / "recover/measured.recovery.parquet", RECOVERY)) == 0
    shares = read(current / "recover/measured.completeness.parquet", COMPLETENESS).to_pylist()
    assert {row["mode"] for row in shares} == {"main", "second_pass"}
    assert all(row["ci_low"] <= row["completeness"] <= row["ci_high"] for row in shares)
    modes = read(current / "recover/measured.search_modes.parquet", SEARCH_MODES).to_pylist()
    assert {row["n"] + row["n_eclipses"] for row in modes} == {8}
    assert len(read(current / "purity/measured.purity.parquet", PURITY)) > 0
    assert len(read(current / "purity/measured.false_alarms.parquet", FALSE_ALARMS)) > 0
    assert (current / "recover/measured.figures/completeness.png").exists()
    assert checkout.planned(*arguments) == Counter()
    wider = ("--config", "xmm={recover: {sigmas: [4.0]}}")
    assert checkout.planned(*arguments, *wider) == Counter(xmm_inject=1, xmm_recover=1)
    off = ("--config", "xmm={inject: {trials: 0}, false_alarms: {draws: 0, shuffles: 0}}")
    assert checkout.planned(*arguments, *off) == Counter()
