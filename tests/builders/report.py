"""A small report of everything that pages can show, for tests: two observations, hostile names included."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from builders.search_products import OBSID, lively_counts, quiet_counts, write_observation
from ephemera.tables import read
from ephemera.xmm import figures
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.page_data import Observed, Report, Selections
from ephemera.xmm.region_columns import REGIONS
from ephemera.xmm.run_columns import RUNS
from xmm_cubes import FULL, HARD

HOSTILE = "<img src=x onerror=alert(1)>\"'&"
SIMBAD_TYPE = f"Flare* {HOSTILE}"
NOTHING = "0000000002"


def searched(folder: Path) -> SimpleNamespace:
    """One searched observation with its figures, as the steps before leave it."""
    job = write_observation(
        folder, {FULL: lively_counts(), HARD: quiet_counts(seed=3)}, bti=[30, 31], bccd=[50]
    )
    figures.main(job)
    drawn = folder / "by_observation" / OBSID
    drawn.parent.mkdir()
    Path(job.output.figures).rename(drawn)
    return SimpleNamespace(job=job, figures=drawn)


def tables(folder: Path) -> tuple[list[dict], list[dict]]:
    """Detections and sources: every detection is a source of its own."""
    found = []
    for row in read(folder / "regions.parquet", REGIONS).to_pylist():
        rest = {"srcid": len(found) + 1, "mjd_peak": 50814.0 + len(found), "n_max": 30, "duration": 20.0}
        found.append(dict.fromkeys(CATALOGUE_DETECTIONS.names) | row | rest | {"filt_5sig": True})
    sources = [
        dict.fromkeys(SOURCES.names)
        | {
            "srcid": row["srcid"], "name": f"EPH J{row['srcid']:03d}", "ra": row["ra"], "dec": row["dec"],
            "poserr": row["poserr"], "n_detections": 1, "n_obs": 1, "best_sigma": row["best_sigma"],
            "best_detid": row["detid"], "max_sep": 0.0, "first_seen": row["mjd_peak"],
            "last_seen": row["mjd_peak"], "n_peaks_total": 1, "chain": False,
        }
        for row in found
    ]  # fmt: skip
    return found, sources


def report_of(folder: Path, figure_names: list[str], **limits: int) -> Report:
    """A report with all products."""
    found, sources = tables(folder)
    first = sources[0]
    facts = {"object": HOSTILE, "date": "2001-01-01", "cameras": "PN", "span": 600.0}
    simbad = {
        "simbad_id": HOSTILE, "simbad_sep_arcsec": 1.5, "simbad_ra_offset": 1.0, "simbad_dec_offset": -1.0,
        "simbad_n_within": 2, "simbad_main_type": SIMBAD_TYPE,
    }  # fmt: skip
    combinations = [
        {
            "combination": 0,
            "name": "all",
            "n_filters": 0,
            "n_detections": len(found),
            "n_sources": len(found),
        },
        {"combination": 1, "name": "bright", "n_filters": 1, "n_detections": 1, "n_sources": 1},
        {"combination": 2, "name": "bright+odd", "n_filters": 2, "n_detections": 0, "n_sources": 0},
    ]
    one = {"group": "a", "conditions": "n > 1", "n_kept": 1, "n_removed": 1, "n_unknown": 0, "n_sources": 1}
    change = {
        "ltid": 1, "srcid": first["srcid"], "name": first["name"], "ra": first["ra"], "dec": first["dec"],
        "n_obs": 2, "rate_min": 0.01, "rate_max": 0.05, "ratio": 5.0, "ratio_low": 3.0, "significance": 7.0,
        "variable": True,
    }  # fmt: skip
    rate = {"obsid": OBSID, "mjd": 50814.0, "rate": 0.01, "rate_err": 0.002}
    return Report(
        project="test",
        observations={OBSID: Observed(OBSID, (facts,)), NOTHING: Observed(NOTHING)},
        detections=found,
        sources=sources,
        runs=read(folder / "runs.parquet", RUNS).to_pylist(),
        outcomes=[
            {"obsid": OBSID, "file": HOSTILE, "run": None, "outcome": "ok", "detail": "9 events"},
            {"obsid": NOTHING, "file": None, "run": None, "outcome": "no_lists", "detail": "nothing there"},
        ],
        candidates=[{"obsid": OBSID, "reason": None, "evidence": f"OBJECT is {HOSTILE}"}],
        figures={OBSID: figure_names, NOTHING: []},
        matches={"simbad": {first["srcid"]: {"srcid": first["srcid"], **simbad}}},
        rates={first["srcid"]: [rate, rate | {"obsid": NOTHING, "mjd": 52000.0, "rate": 0.05}]},
        changes=[change],
        selections=Selections(
            [one | {"filter": "bright"}, one | {"filter": "odd"}],
            combinations,
            {"bright": frozenset([found[0]["detid"]]), "odd": frozenset([found[-1]["detid"]])},
        ),
        recovery=[
            {"obsid": OBSID, "kind": "peak", "counts_kept": 30, "t_start": 0.0, "t_stop": 10.0, "found": True,
             "sigma": 8.0, "separation": 1.0, "n_runs": 1}
        ],
        **limits,
    )  # fmt: skip
