"""What lies between the workflow and a step: log, outputs that appear whole, and a clear error.

Rule `xmm_cube` names its recipe; `scripts/step.py` hands the job to `run_step`, which imports the module
`ephemera.xmm.cube` and calls its `main(job)`. A step reads `job.input`, writes `job.output` (temporary
names in the final folder, which get their final names only when `main` returned) and finds its options
in `job.settings`. Nothing here makes a number, so none of it is part of a recipe.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NoReturn

from ephemera.deferred import defer, without_pandas
from ephemera.files import begin_attempt, end_attempt, partial_path, write_shared
from ephemera.files import commit as commit_file

PACKAGE = "ephemera"
log = logging.getLogger(PACKAGE)

#: Libraries whose versions a recipe records.
LIBRARIES = ("numpy", "scipy", "astropy", "h5py", "pandas", "pyarrow", "snakemake")


@dataclass(frozen=True)
class Job:
    """What a step gets: named inputs and outputs, options, wildcards, where its recipe and its log live."""

    input: Any
    output: Any
    settings: Any
    wildcards: Any
    recipe: Mapping[str, Any]
    threads: int
    log: Path | None = None


class _Named(SimpleNamespace):
    """Attributes that can be listed."""

    def __iter__(self) -> Any:
        return iter(vars(self).values())


def namespace(value: Any) -> Any:
    """Nested mappings as nested attributes; lists and plain values as they are."""
    if isinstance(value, Mapping):
        return _Named(**{str(key): namespace(item) for key, item in value.items()})
    return value


def run_step(snakemake: Any) -> None:
    """Run a step inside a workflow job; exits with 1, having logged the traceback, when it fails."""
    start = time.perf_counter()
    logfile = Path(str(snakemake.log[0]))
    _open_log(logfile)
    step = snakemake.params.recipe["step"]
    unit = " ".join(str(value) for value in snakemake.wildcards)
    outputs = {name: Path(str(path)) for name, path in snakemake.output.items()}
    partials = {name: begin_attempt(path) for name, path in outputs.items()}
    log.info("%s %s starts", step, unit)
    try:
        module = _imported(f"{PACKAGE}.{step}")
        if not _runs_users_code(snakemake.params.recipe["parameters"]):
            without_pandas()
        ready = time.process_time()
        module.main(_job(snakemake, partials))
        _note_checksums(snakemake, outputs, partials)
        for name, path in outputs.items():
            commit_file(partials[name], path)
        _write_recipe(snakemake.params.recipe)
    except BaseException as error:
        log.critical("%s %s failed", step, unit, exc_info=True)
        if not isinstance(error, Exception):
            raise
        sys.stderr.write(f"{step} {unit}: {type(error).__name__}: {error}\n  log: {logfile}\n")
        sys.exit(1)
    finally:
        for partial in partials.values():
            end_attempt(partial)
    log.info(
        "%s %s done in %.2f s; CPU %.2f s, %.2f s of it to start; at most %.0f MB",
        step, unit, time.perf_counter() - start, time.process_time(), ready, peak_memory_mb(),
    )  # fmt: skip


def leave() -> NoReturn:
    """End a process whose step is done: its memory goes at once, which Python would take apart for 0.1 s."""
    atexit._run_exitfuncs()  # noqa: SLF001  what libraries want done, and the log closed
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _imported(name: str) -> ModuleType:
    """Module of a step, imported without what no step uses; imports leave no garbage to look for."""
    defer()
    gc.disable()
    try:
        return import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _runs_users_code(parameters: Mapping[str, Any]) -> bool:
    return any(name.endswith("_plugin") and value for name, value in parameters.items())


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far, MB (2^20 bytes).

    Linux hands the figure of getrusage on from the process that started this one; that of /proc is its own.
    """
    with contextlib.suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def _job(snakemake: Any, partials: Mapping[str, Path]) -> Job:
    inputs = {
        name: [Path(p) for p in path] if isinstance(path, list) else Path(str(path))
        for name, path in snakemake.input.items()
    }
    return Job(
        input=_Named(**inputs),
        output=_Named(**partials),
        settings=namespace(snakemake.params.recipe["parameters"]),
        wildcards=_Named(**dict(snakemake.wildcards.items())),
        recipe=snakemake.params.recipe,
        threads=snakemake.threads,
        log=Path(str(snakemake.log[0])),
    )


def _open_log(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    formatter = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(formatter)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)


def _note_checksums(snakemake: Any, outputs: Mapping[str, Path], partials: Mapping[str, Path]) -> None:
    """Note size and SHA-256 of each file of the job, before the files get their final names."""
    from ephemera.recipes import checksums

    recipe = snakemake.params.recipe
    folder = Path(recipe["folder"])
    inside: dict[str, checksums.Checksum] = {}
    elsewhere: dict[str, checksums.Checksum] = {}
    for name, path in outputs.items():
        if path.is_relative_to(folder):
            inside |= checksums.measured(partials[name], path.relative_to(folder).as_posix())
        else:
            elsewhere |= checksums.measured(partials[name], path.as_posix())
    inputs = {
        name: tuple(str(p) for p in (path if isinstance(path, list) else [path]))
        for name, path in snakemake.input.items()
    }
    record = checksums.Record(
        step=recipe["step"],
        key=recipe["key"],
        made_by=recipe.get("made_by", recipe["key"]),
        unit={name: str(value) for name, value in snakemake.wildcards.items()},
        inputs=inputs,
        outputs=inside,
        elsewhere=elsewhere,
    )
    checksums.write(folder, record)


def _write_recipe(recipe: Mapping[str, Any]) -> None:
    """Write `recipe.json` beside the first output made by this recipe."""
    path = Path(recipe["folder"]) / "recipe.json"
    if path.exists() and not partial_path(path).exists():
        return
    import platform
    from importlib import metadata  # 40 ms that only the first job of a recipe has to spend

    from ephemera.recipes.versions import commit

    document = {
        **recipe,
        "commit": commit(),
        "python": platform.python_version(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES},
    }
    write_shared(path, json.dumps(document, indent=2, sort_keys=True) + "\n")
