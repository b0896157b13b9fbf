"""A report to browse: home, observations, sources, types, filters; it opens from files, without a server.

Reads the catalogue and, as far as a run made them, light curves, figures of observations and of the sample,
crossmatches, filters, and rates between observations. Makes one folder that can be moved or published as it
is: pages link only to each other and to copies of the figures beside them. What a run did not make is left
out with a word. Everything that comes from headers and catalogues is escaped.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from ephemera.cubes import read_attribute
from ephemera.tables import arrays, read
from ephemera.xmm import page_lists
from ephemera.xmm.catalogue_columns import CANDIDATES, CATALOGUE_DETECTIONS, OUTCOMES, SOURCES
from ephemera.xmm.completeness_columns import RECOVERY
from ephemera.xmm.events_store import read_subsets
from ephemera.xmm.light_curve_files import read_light_curve
from ephemera.xmm.long_term_columns import LONG_TERM_RATES, LONG_TERM_SOURCES
from ephemera.xmm.matches import set_of
from ephemera.xmm.observation import Subset
from ephemera.xmm.page_curves import MOST_OBSERVATIONS, SourceCurve, source_curve
from ephemera.xmm.page_data import Observed, Report, Row, Selections
from ephemera.xmm.page_observation import observation_page
from ephemera.xmm.page_parts import WAYS
from ephemera.xmm.page_source import source_page
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.sample_columns import CAPTIONS, COMBINATIONS, FILTERS

if TYPE_CHECKING:
    from ephemera.config.xmm import Pages as PagesSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Captions of the figures of completeness, by file.
COMPLETENESS = {
    "recovery": "Simulated bursts and eclipses: counts, significance, found or not.",
    "completeness": "Share of injected bursts found against their counts, for each frame length.",
    "circumstances": "Share found against duration, angle from the axis, background, mask.",
    "eclipses": "Share of injected eclipses found against depth and photons removed.",
    "search_modes": "Shifted grids and a second pass against one grid and one pass.",
}


def rows_of(path: Path, declaration: Any) -> list[dict[str, Any]]:
    """Rows of a table file; what is missing is None."""
    rows: list[dict[str, Any]] = read(path, declaration).to_pylist()
    return rows


def subset_facts(subset: Subset) -> dict[str, object]:
    """What the headers of a subset say, for people."""
    headers = sorted(subset.headers, key=lambda header: header.camera)
    first = headers[0]
    return {
        "object": first.object_name.strip(),
        "date": first.date_obs[:10],
        "cameras": ", ".join(h.camera_name for h in headers),
        "lists": ", ".join(h.file for h in headers),
        "submodes": ", ".join(h.submode for h in headers),
        "filters": ", ".join(h.filter for h in headers),
        "revolution": first.revolution or None,  # other missions count none
        "start": f"MJD {first.mjd(subset.t0):.5f} (TT)",
        "span": round(subset.span, 1),
        "pointing": f"{first.reference_ra:.5f} {first.reference_dec:+.5f} deg",
        "position angle": None if first.pa_pnt is None else f"{first.pa_pnt:.2f} deg",
    }


def observed(events: Sequence[Path]) -> dict[str, Observed]:
    """Facts of every observation from its file of events."""
    found = {}
    for path in events:
        obsid = str(read_attribute(path, "obsid"))
        subsets = read_subsets(path, with_events=False)
        found[obsid] = Observed(obsid, tuple(subset_facts(subset) for subset in subsets))
    return found


def several(job: Job, name: str) -> list[Path]:
    """Paths of an input that a run may lack."""
    paths = getattr(job.input, name, [])
    return list(paths) if isinstance(paths, list) else [paths]


def matches_of(paths: Sequence[Path]) -> dict[str, dict[int, Row]]:
    """Rows of the sources' matches by set, which the name of the file tells, and by source."""
    return {set_of(path): {row["srcid"]: row for row in pq.read_table(path).to_pylist()} for path in paths}


def selections_of(job: Job) -> Selections | None:
    """Filters and combinations with the detections that each filter keeps."""
    paths = several(job, "filters")
    if not paths:
        return None
    filters, combinations, masks = paths
    rows, kept = rows_of(filters, FILTERS), pq.read_table(masks)
    detids = kept["detid"].to_numpy(zero_copy_only=False)
    by_filter = {
        row["filter"]: frozenset(detids[kept[f"filter_{number}"].to_numpy(zero_copy_only=False)].tolist())
        for number, row in enumerate(rows)
    }
    return Selections(rows, rows_of(combinations, COMBINATIONS), by_filter)


def rates_of(job: Job) -> dict[int, list[Row]]:
    """Count rates between observations of the sources of the catalogue, in order of time."""
    sources = {
        row["ltid"]: row["srcid"]
        for path in several(job, "changes")
        for row in rows_of(path, LONG_TERM_SOURCES)
        if row["srcid"] is not None
    }
    rates: dict[int, list[Row]] = {}
    for path in several(job, "rates"):
        for row in sorted(rows_of(path, LONG_TERM_RATES), key=lambda row: row["mjd"]):
            if row["ltid"] in sources:
                rates.setdefault(sources[row["ltid"]], []).append(row)
    return rates


def read_report(
    job: Job, figures: Mapping[str, Sequence[Path]], sample: Sequence[Mapping[str, str]]
) -> Report:
    """All tables that the pages show; `figures` are those of observations, `sample` the sample's captions."""
    settings: PagesSettings = job.settings
    recovery: Path | None = next(iter(several(job, "recovery")), None)
    return Report(
        project=job.wildcards.project,
        observations=observed(job.input.events),
        detections=rows_of(job.input.detections, CATALOGUE_DETECTIONS),
        sources=rows_of(job.input.sources, SOURCES),
        runs=rows_of(job.input.runs, RUNS),
        outcomes=rows_of(job.input.outcomes, OUTCOMES),
        candidates=rows_of(job.input.candidates, CANDIDATES),
        figures={obsid: [path.name for path in paths] for obsid, paths in figures.items()},
        matches=matches_of(several(job, "matches")),
        rates=rates_of(job),
        changes=[row for path in several(job, "changes") for row in rows_of(path, LONG_TERM_SOURCES)],
        catalogues=[json.loads(path.read_text(encoding="utf-8")) for path in several(job, "status")],
        selections=selections_of(job),
        sample=sample,
        recovery=None if recovery is None else rows_of(recovery, RECOVERY),
        max_sources=settings.max_sources,
        max_filters=settings.max_filters,
        max_rows=settings.max_rows,
    )


def curves_of(report: Report, srcid: int, files: Mapping[str, Path]) -> list[SourceCurve]:
    """Curves of a source: of each observation, frame length and band that of the best detection."""
    best: dict[tuple[str, int, float, float, float], Row] = {}
    for row in report.by_source.get(srcid, []):
        key = (row["obsid"], row["subset"], row["t_bin"], row["e_min"], row["e_max"])
        best.setdefault(key, row)
    obsids = list(dict.fromkeys(row["obsid"] for row in best.values()))[:MOST_OBSERVATIONS]
    curves = []
    for (obsid, subset, t_bin, low, high), row in best.items():
        if obsid in obsids:
            columns = arrays(read_light_curve(files[obsid], row["detid"]))
            curves.append(source_curve(obsid, subset, t_bin, (low, high), columns))
    return curves


def pages_of(report: Report, files: Mapping[str, Path]) -> Iterator[tuple[str, str]]:
    """Path and text of every page, one after the other."""
    for _, file, needs in WAYS:
        if not needs or getattr(report, needs):
            yield file, page_lists.PAGES[file](report)
    for obsid in report.observations:
        yield f"observation/{obsid}.html", observation_page(report, obsid)
    for source in report.ranked[: report.max_sources]:
        curves = curves_of(report, source["srcid"], files)
        yield f"source/{source['srcid']}.html", source_page(report, source, curves)
    for otype, name in report.type_pages.items():
        yield f"type/{name}", page_lists.type_page(report, otype)
    for combination in report.filter_pages:
        yield f"filter/{combination['combination']}.html", page_lists.filter_page(report, combination)


def observation_figures(job: Job) -> dict[str, list[Path]]:
    """Files of the figures of every observation: those of the search, and spectra of bursts."""
    found: dict[str, list[Path]] = {}
    for folder in [*several(job, "figures"), *several(job, "spectra")]:
        files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        found.setdefault(folder.name.split(".", 1)[0], []).extend(files)
    return found


def sample_figures(job: Job) -> tuple[list[dict[str, str]], list[Path]]:
    """Captions of the figures of the sample, and their files: the sample's, completeness, false alarms."""
    captions: list[dict[str, str]] = []
    files: list[Path] = []
    for folder in several(job, "sample"):
        captions += json.loads((folder / CAPTIONS).read_text(encoding="utf-8"))
        files += [folder / row["file"] for row in captions]
    for path in several(job, "matrix"):
        text = "Which detections of a run (row) another run (column) has too: shares and numbers."
        captions.append({"section": "Runs compared", "file": path.name, "caption": text})
        files.append(path)
    for folder in several(job, "completeness"):
        for path in sorted(folder.glob("*.png")):
            text = COMPLETENESS.get(path.stem, path.stem)
            captions.append({"section": "Completeness", "file": path.name, "caption": text})
            files.append(path)
    for path in several(job, "false_alarms"):
        text = "Found where nothing comes or goes, against what is expected by chance."
        captions.append({"section": "False alarms", "file": path.name, "caption": text})
        files.append(path)
    return captions, files


def write_report(
    report: Report,
    curves: Mapping[str, Path],
    figures: Mapping[str, Sequence[Path]],
    sample: Sequence[Path],
    folder: Path,
) -> int:
    """Write all pages, with copies of the figures that they show, into a new folder; returns their number.

    `curves` are the files of light curves by observation, `figures` those of figures, `sample` the figures of
    the sample.
    """
    folder.mkdir(parents=True)
    number = 0
    for name, text in pages_of(report, curves):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        number += 1
    for place, files in {
        **{f"figures/{obsid}": paths for obsid, paths in figures.items()},
        "sample": sample,
    }.items():
        for path in files:
            (folder / place).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / place / path.name)
    return number


def main(job: Job) -> None:
    """Write the report of one project."""
    curves = {path.name.split(".", 1)[0]: path for path in job.input.light_curves}
    captions, sample = sample_figures(job)
    figures = observation_figures(job)
    report = read_report(job, figures, captions)
    number = write_report(report, curves, figures, sample, job.output.pages)
    log.info("%d pages", number)
