"""Read the files of a dataset into aligned, masked series.

Reads MAST x1dints (both layouts), Eureka! HDF5, ExoIris FITS, alone or in ZIP archives. Makes `series.h5`
(flux, error and mask by time and wavelength, which xarray opens), the table of bad inputs, and a summary of
what was read, masked and refused. Files are read here and nowhere else, so that a new band or colour scale
does not read them again.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.files import json_text, sha256_of
from ephemera.jwst.archive import Limits
from ephemera.jwst.assemble import Assembled, Assembly, MaskedBox, assemble
from ephemera.jwst.cube import write_series
from ephemera.jwst.flags import MEANINGS, valid
from ephemera.jwst.inputs import Reading, find_files, read_files
from ephemera.jwst.observation import SCALE_NAMES, Series
from ephemera.jwst.options import settings_of
from ephemera.jwst.problems import BAD_INPUTS, Action, Outcome, Problem, Unusable, problem_columns
from ephemera.jwst.progress import Progress
from ephemera.jwst.stitch import stitch
from ephemera.tables import write

if TYPE_CHECKING:
    from ephemera.config.jwst import Read as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def read_series(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    reading: Reading | None = None,
    options: Assembly | None = None,
) -> list[Series]:
    """Series of files, folders or ZIP archives, or of one; problems are logged as warnings.

    Raises ValueError, naming what is wrong with each file, when nothing can be used.
    """
    files: list[Path] = []
    for path in map(Path, [paths] if isinstance(paths, (str, os.PathLike)) else paths):
        files += find_files(path)[0] if path.is_dir() else [path]
    checksums = {path.name: sha256_of(path) for path in files if path.is_file()}
    result, outcome = read_dataset(files, [path.name for path in files], checksums, reading, options)
    for problem in result.problems:
        log.warning("%s %s: %s", problem.file, problem.extension, problem.message)
    if not result.series:
        reasons = "; ".join(f"{p.file}: {p.message}" for p in result.problems)
        message = f"no series could be made ({outcome.value}): {reasons or 'no files'}"
        raise ValueError(message)
    return result.series


def read_dataset(
    paths: Sequence[Path],
    names: Sequence[str],
    checksums: Mapping[str, str],
    reading: Reading | None = None,
    options: Assembly | None = None,
) -> tuple[Assembled, Outcome]:
    """Series and problems of files, and how it ended; `names` and `checksums` are of the files."""
    contents = read_files(paths, reading or Reading(), names)
    members = {p.file: checksums.get(p.file.split(":", maxsplit=1)[0], "") for p in contents.pieces}
    lost = sum(problem.n_lost for problem in contents.problems)
    try:
        result = assemble(contents.pieces, options or Assembly(), members)
    except Unusable as error:
        result = Assembled(problems=[error.row("")], n_read=error.n_lost)
    result.problems += contents.problems
    result.n_read += lost
    if result.series:
        return result, Outcome.OK
    codes = {problem.code for problem in result.problems}
    if "mixed_units" in codes:
        return result, Outcome.MIXED_UNITS
    if "too_large" in codes or "zip_too_large" in codes:
        return result, Outcome.TOO_LARGE
    if any(code.startswith("zip_") for code in codes):
        return result, Outcome.BAD_ARCHIVE
    return result, Outcome.NO_SERIES if paths else Outcome.NO_FILES


def summary(result: Assembled, outcome: Outcome, n_files: int, detail: str = "") -> dict[str, Any]:
    """What was read, masked and refused, and the ranges and counts of every series."""
    refused = [p for p in result.problems if p.action is Action.REFUSED]
    return {
        "outcome": outcome.value,
        "detail": detail or "; ".join(dict.fromkeys(f"{p.file} {p.message}".strip() for p in refused))[:2000],
        "n_files": n_files,
        "n_integrations_read": result.n_read,
        "n_integrations_used": result.n_used,
        "n_integrations_refused": result.n_read - result.n_used,
        "n_problems": len(result.problems),
        "series": [_describe(one) for one in result.series],
    }


def _describe(series: Series) -> dict[str, Any]:
    steps = np.diff(series.time) * 86400
    masked = {text: int(((series.mask & bit) > 0).sum()) for bit, text in MEANINGS.items()}
    return {
        "name": series.name,
        "target": series.target,
        "detector": series.detector,
        "order": series.order,
        "n_integrations": len(series.time),
        "n_channels": len(series.wavelength),
        "wavelength_um": [float(series.wavelength[0]), float(series.wavelength[-1])],
        "time_d": [float(series.time[0]), float(series.time[-1])],
        "time_scale": SCALE_NAMES[series.time_scale],
        "cadence_s": float(np.median(steps)) if len(steps) else None,
        "flux_unit": series.flux_unit,
        "valid_fraction": float(valid(series.mask).mean()),
        "n_masked": int((~valid(series.mask)).sum()),
        "masked": {text: count for text, count in masked.items() if count},
        "keywords": dict(series.facts),
        "files": dict(series.files),
    }


def reading_of(settings: Settings) -> Reading:
    """How files are read, from the options."""
    limits = settings.limits
    return Reading(
        settings.eureka_flux,
        settings.axis_order,
        tuple(settings.dq_bits),
        Limits(limits.zip_members, int(limits.unpacked_gb * 1e9), 0.9, limits.zip_ratio),
        int(limits.cells),
    )


def assembly_of(settings: Any) -> Assembly:
    """How pieces become series, from the options of the step and the gap between visits."""
    limits = settings.limits
    # A list of blocks reaches a step as a list of mappings.
    boxes = [MaskedBox(_pair(box["wavelength_um"]), _pair(box["time_d"])) for box in settings.masked]
    return Assembly(
        tuple(settings.orders), tuple(settings.detectors), settings.outliers, settings.visit_gap_hours,
        tuple(boxes), limits.integrations, limits.channels, int(limits.cells),
    )  # fmt: skip


def _pair(values: Sequence[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])


def main(job: Job) -> None:
    """Write the series of one dataset; whatever is wrong with its files becomes rows and an outcome."""
    settings: Settings = settings_of(job)
    document = json.loads(job.input.manifest.read_text(encoding="utf-8"))
    progress = Progress(job.log)
    files = document["files"]
    progress.stage("scan", len(files), len(files))
    names = [file["name"] for file in files]
    checksums = {file["name"]: file["sha256"] for file in files}
    progress.stage("read", 0, 1)
    paths = [Path(file["path"]) for file in files]
    result, outcome = read_dataset(paths, names, checksums, reading_of(settings), assembly_of(settings))
    progress.stage("align", result.n_used, result.n_read)
    result.problems += [Problem(**{**row, "action": Action(row["action"])}) for row in document["ignored"]]
    if outcome is not Outcome.OK and document["outcome"] != Outcome.OK.value:
        outcome = Outcome(document["outcome"])
    if settings.stitch and result.series:
        series, problems = stitch(result.series, settings.stitch)
        used = result.n_used - sum(problem.n_lost for problem in problems)
        result = replace(result, series=series, problems=[*result.problems, *problems], n_used=used)
    facts = summary(result, outcome, len(files), document["detail"])
    log.info(
        "%s: %d files and %d integrations read, %d used, %d refused; %s",
        job.wildcards.dataset, facts["n_files"], facts["n_integrations_read"], facts["n_integrations_used"],
        facts["n_integrations_refused"], outcome.value,
    )  # fmt: skip
    for problem in result.problems:
        log.warning("%s %s: %s (%s)", problem.file, problem.extension, problem.message, problem.action.value)
    write_series(job.output.series, result.series, compress=False, attributes={"outcome": outcome.value})
    write(problem_columns(result.problems), BAD_INPUTS, job.output.bad_inputs)
    job.output.summary.write_text(json_text(facts), encoding="utf-8")
    progress.done()
