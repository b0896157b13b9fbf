"""Jobs of the local page: an uploaded file, its options, a folder of its own, and the workflow run in it.

One job runs at a time. A job's folder holds links to the workflow, so that the same rules run as on a
cluster; it is removed when the job is deleted, when it is old, and when the server stops.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ephemera.jwst.archive import Limits, check_directory, free_bytes, opened
from ephemera.jwst.bands import make_bands
from ephemera.jwst.problems import Unusable

log = logging.getLogger(__name__)

#: What a run needs of the checkout.
PARTS = ("profiles", "resources", "rules", "scripts", "workflow")
#: First bytes of what is taken, and the suffix it gets.
KINDS = {b"PK\x03\x04": ".zip", b"SIMPLE": ".fits", b"\x89HDF": ".h5", b"\x1f\x8b": ".fits.gz"}
#: Pages of a finished job, the one with everything first.
PAGES = ("combined", "surface", "heatmap")
#: Finished jobs kept at most; jobs that may wait.
MOST_KEPT, MOST_WAITING = 10, 5
#: Seconds that a job has to end by itself when it is cancelled.
PATIENCE_S = 10.0


class RefusedError(Exception):
    """An upload or option that is not taken; the message is for the user."""


@dataclass
class WebJob:
    """One upload and what became of it: queued, running, done, failed."""

    key: str
    folder: Path
    dataset: str
    state: str = "queued"
    message: str = ""
    started: float = 0.0
    ended: float = 0.0
    process: asyncio.subprocess.Process | None = field(default=None, repr=False)

    def products(self, step: str, name: str) -> Path | None:
        """A product of a step; None when it is not there."""
        found = sorted(self.folder.glob(f"results/jwst/{step}/*/{self.dataset}/{name}"))
        return found[-1] if found else None

    def progress(self) -> dict[str, Any]:
        """The line of progress that is furthest: percent, stage, done, total, remaining."""
        best: dict[str, Any] = {"percent": 0.0, "stage": "scan", "done": 0, "total": 0}
        for path in self.folder.glob("logs/jwst/*/*/*.progress.jsonl"):
            with contextlib.suppress(OSError, IndexError, json.JSONDecodeError):
                line = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
                if line["percent"] > best["percent"]:
                    best = line
        return best

    def status(self) -> dict[str, Any]:
        """What the page shows."""
        found = self.progress()
        end = self.ended or time.monotonic()
        elapsed = end - self.started if self.started else 0.0
        percent = 100.0 if self.state == "done" else min(float(found["percent"]), 99.0)
        remaining = elapsed * (100 - percent) / percent if percent > 0 and self.state == "running" else None
        return {
            "id": self.key,
            "dataset": self.dataset,
            "state": self.state,
            "message": self.message,
            "percent": round(percent, 1),
            "stage": found["stage"],
            "done": found["done"],
            "total": found["total"],
            "elapsed_s": round(elapsed, 1),
            "remaining_s": None if remaining is None else round(remaining, 1),
            "pages": [n for n in PAGES if self.products("pages", f"{n}.html")]
            if self.state == "done"
            else [],
        }


def dataset_name(text: str) -> str:
    """A name that may stand in paths, from whatever a user typed."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()).strip("-._")[:60]
    return name or "dataset"


def configuration(options: Mapping[str, Any]) -> dict[str, Any]:
    """Configuration of a run from the options of the form.

    Raises RefusedError with the message of the configuration for options that are not allowed.
    """
    from ephemera.config.load import ConfigurationError, load

    try:
        bands = parse_bands(str(options.get("bands", "")))
        document = {
            "project": "web",
            "jwst": {
                "samples": "samples.tsv",
                "series": {
                    "bands": bands,
                    "transit": bool(options.get("transit", False)),
                    "baseline": options.get("baseline", "all"),
                },
                "pages": {
                    "colorscale": options.get("colorscale", "Viridis"),
                    "wavelength_unit": options.get("wavelength_unit", "um"),
                    "tour": bool(options.get("tour", True)),
                },
                "video": {
                    "enabled": bool(options.get("video", True)),
                    "frames": int(options.get("frames", 200)),
                },
            },
        }
        load(document)
    except (ConfigurationError, ValueError, TypeError) as error:
        raise RefusedError(str(error)) from None
    return document


def parse_bands(text: str) -> list[dict[str, Any]]:
    """Bands from lines `name, start, end`; raises ValueError naming a line that is none."""
    bands = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        parts = line.rsplit(",", 2)
        try:
            bands.append({"name": parts[0].strip(), "start": float(parts[1]), "end": float(parts[2])})
        except (IndexError, ValueError):
            message = f"band {number}: write name, start, end in um; got {line.strip()!r}"
            raise ValueError(message) from None
    checked, _ = make_bands(bands)
    return [{"name": b.name, "start": b.start, "end": b.end} for b in checked]


def check_upload(path: Path, name: str) -> str:
    """Suffix for an uploaded file by its content; a ZIP's directory must pass the rules at once.

    Raises RefusedError.
    """
    with path.open("rb") as handle:
        start = handle.read(8)
    suffix = next((s for signature, s in KINDS.items() if start.startswith(signature)), None)
    if suffix is None:
        message = f"{name} is neither a ZIP, nor FITS, nor HDF5 file"
        raise RefusedError(message)
    if suffix == ".zip":
        try:
            with opened(path) as archive:
                check_directory(archive, name, Limits(), free_bytes(path.parent))
        except Unusable as error:
            message = f"{name} is refused: {error}"
            raise RefusedError(message) from None
    return suffix


class Jobs:
    """All jobs of a server, run one at a time."""

    def __init__(self, root: Path, checkout: Path, cores: int, keep_hours: float) -> None:
        self.root = root
        self.checkout = checkout
        self.cores = cores
        self.keep_s = keep_hours * 3600
        self.jobs: dict[str, WebJob] = {}
        self._waiting: asyncio.Queue[WebJob] = asyncio.Queue()

    def new_folder(self) -> tuple[str, Path]:
        """Key and empty folder of a new job; raises RefusedError when too many wait."""
        if self._waiting.qsize() >= MOST_WAITING:
            message = f"{MOST_WAITING} jobs are waiting already: try again later"
            raise RefusedError(message)
        key = secrets.token_urlsafe(12)
        folder = self.root / key
        folder.mkdir(mode=0o700)
        return key, folder

    def submit(self, key: str, folder: Path, upload: Path, name: str, options: Mapping[str, Any]) -> WebJob:
        """Prepare the folder of a job and put it into the queue; raises RefusedError."""
        dataset = dataset_name(str(options.get("name") or Path(name).stem))
        document = configuration(options)
        target = folder / f"upload{check_upload(upload, name)}"
        upload.replace(target)
        for part in PARTS:
            if (self.checkout / part).exists():
                (folder / part).symlink_to(self.checkout / part)
        # A configuration of its own: what the checkout is configured to search has no place here.
        (folder / "config").mkdir()
        (folder / "config" / "config.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
        sheet = f"dataset\tsource\tlocation\n{dataset}\tfiles\t{target.name}\n"
        (folder / "samples.tsv").write_text(sheet, encoding="utf-8")
        job = WebJob(key, folder, dataset)
        self.jobs[key] = job
        self._waiting.put_nowait(job)
        return job

    async def work(self) -> None:
        """Run jobs one after the other, for ever; removes old ones."""
        while True:
            try:
                job = await asyncio.wait_for(self._waiting.get(), 60)
            except TimeoutError:
                self.tidy()
                continue
            if job.key in self.jobs:
                await self._run(job)
            self.tidy()

    async def _run(self, job: WebJob) -> None:
        job.state, job.started = "running", time.monotonic()
        command = [
            sys.executable, "-m", "snakemake", "--cores", str(self.cores), "--quiet", "all", "--nolock",
        ]  # fmt: skip
        environment = {k: v for k, v in os.environ.items() if k != "SNAKEMAKE_PROFILE"}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        environment["PYTHONPATH"] = str(self.checkout / "scripts")
        with (job.folder / "run.log").open("wb") as output:
            job.process = await asyncio.create_subprocess_exec(
                *command, cwd=job.folder, env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=output,
                stderr=output, start_new_session=True,
            )  # fmt: skip
            if job.key not in self.jobs:  # removed while it started
                await stop(job.process)
            code = await job.process.wait()
        job.ended = time.monotonic()
        job.process = None
        job.state = "done" if code == 0 and job.products("pages", "combined.html") else "failed"
        if job.state == "failed":
            job.message = failure(job)
        log.info("job %s: %s in %.1f s", job.key, job.state, job.ended - job.started)

    async def remove(self, key: str) -> None:
        """Stop a job if it runs and remove all its files."""
        job = self.jobs.pop(key, None)
        if job is None:
            return
        if job.process is not None:
            await stop(job.process)
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)

    def tidy(self) -> None:
        """Remove finished jobs that are old or too many."""
        ended = sorted((j for j in self.jobs.values() if j.ended), key=lambda j: j.ended)
        now = time.monotonic()
        for number, job in enumerate(ended):
            if len(ended) - number > MOST_KEPT or now - job.ended > self.keep_s:
                del self.jobs[job.key]
                shutil.rmtree(job.folder, ignore_errors=True)


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a job and all that it started: politely first, then not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), PATIENCE_S)
            return


def failure(job: WebJob) -> str:
    """Why a job failed, in the words of the reading step or of the step that failed."""
    for path in job.folder.glob("results/jwst/read/*/*.json"):
        if path.name != "recipe.json":
            facts = json.loads(path.read_text(encoding="utf-8"))
            if facts["outcome"] != "ok":
                return f"{facts['outcome']}: {facts['detail']}"
    with contextlib.suppress(OSError):
        lines = (job.folder / "run.log").read_text(encoding="utf-8", errors="replace").splitlines()
        told = [line for line in lines if line.startswith("jwst.")]
        return (told or lines or ["no reason was given"])[-1][:500]
    return "the run could not be started"
