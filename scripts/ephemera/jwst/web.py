"""The local page: upload, options, progress, results, download.

A small ASGI application on loopback. Uploads are streamed to disk and counted; nothing is unpacked here.
Every request that changes something needs a header that other sites cannot send, and the host name must be
ours, so that a page from elsewhere cannot use a server on this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ephemera.jwst.web_jobs import PAGES, Jobs, RefusedError, WebJob
from ephemera.jwst.web_page import index_page
from ephemera.recipes.code import package_folder

log = logging.getLogger(__name__)

#: Header that the page's own script sends with every change.
OWN_HEADER = "x-ephemera"
_SAFE = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}  # fmt: skip


def refused(message: str, code: int = 422) -> JSONResponse:
    """Answer to what is not taken."""
    return JSONResponse({"error": message}, code, headers=_SAFE)


class Web:
    """Handlers of the page."""

    def __init__(self, jobs: Jobs, most_bytes: int) -> None:
        self.jobs = jobs
        self.most_bytes = most_bytes

    async def index(self, request: Request) -> Response:  # noqa: ARG002 - Starlette gives it
        """The page itself."""
        return HTMLResponse(index_page(self.most_bytes), headers=_SAFE)

    async def upload(self, request: Request) -> Response:
        """Take a file: the body is the file, name and options are in the query."""
        if OWN_HEADER not in request.headers:
            return refused("this request does not come from the page", 403)
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self.most_bytes:
            return refused(self._too_large(), 413)
        try:
            options = json.loads(request.query_params.get("options", "{}"))
            name = Path(request.query_params.get("name", "upload")).name[:100]
            if not isinstance(options, dict):
                return refused("options must be a JSON object")
            key, folder = self.jobs.new_folder()
        except json.JSONDecodeError:
            return refused("options must be a JSON object")
        except RefusedError as error:
            return refused(str(error), 503)
        try:
            target = folder / "arriving"
            if not await self._receive(request, target):
                return refused(self._too_large(), 413)
            job = self.jobs.submit(key, folder, target, name, options)
        except RefusedError as error:
            return refused(str(error))
        except ClientDisconnect:
            return Response(status_code=499)
        finally:
            if key not in self.jobs.jobs:
                shutil.rmtree(folder, ignore_errors=True)
        return JSONResponse(job.status(), 202, headers=_SAFE)

    async def _receive(self, request: Request, target: Path) -> bool:
        """Write the body to a file; False as soon as it is too large."""
        count = 0
        with target.open("xb") as handle:
            async for piece in request.stream():
                count += len(piece)
                if count > self.most_bytes:
                    return False
                await asyncio.to_thread(handle.write, piece)
        return True

    def _too_large(self) -> str:
        return f"the file is larger than {self.most_bytes / 1e9:g} GB"

    def _job(self, request: Request) -> WebJob | None:
        return self.jobs.jobs.get(request.path_params["key"])

    async def status(self, request: Request) -> Response:
        """How far a job is."""
        job = self._job(request)
        return refused("no such job", 404) if job is None else JSONResponse(job.status(), headers=_SAFE)

    async def delete(self, request: Request) -> Response:
        """Stop and remove a job."""
        if OWN_HEADER not in request.headers:
            return refused("this request does not come from the page", 403)
        if self._job(request) is None:
            return refused("no such job", 404)
        await self.jobs.remove(request.path_params["key"])
        return Response(status_code=204, headers=_SAFE)

    async def page(self, request: Request) -> Response:
        """A page of a finished job."""
        job, name = self._job(request), request.path_params["name"]
        path = job.products("pages", f"{name}.html") if job and name in PAGES else None
        return refused("no such page", 404) if path is None else FileResponse(path, headers=_SAFE)

    async def download(self, request: Request) -> Response:
        """The ZIP of a finished job."""
        job = self._job(request)
        path = job.products("bundle", f"{job.dataset}.zip") if job else None
        if path is None:
            return refused("no such file", 404)
        return FileResponse(path, filename=path.name, media_type="application/zip", headers=_SAFE)


def application(jobs: Jobs, most_bytes: int, hosts: list[str]) -> Starlette:
    """The application; `hosts` are the names by which it may be called."""
    web = Web(jobs, most_bytes)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:  # noqa: ARG001 - Starlette gives it
        worker = asyncio.create_task(jobs.work())
        try:
            yield
        finally:
            for key in list(jobs.jobs):
                await jobs.remove(key)
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    routes = [
        Route("/", web.index),
        Route("/jobs", web.upload, methods=["PUT"]),
        Route("/jobs/{key}", web.status),
        Route("/jobs/{key}", web.delete, methods=["DELETE"]),
        Route("/jobs/{key}/download", web.download),
        Route("/jobs/{key}/{name}.html", web.page),
    ]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)


def find_checkout(given: Path | None) -> Path:
    """Folder with the workflow; raises FileNotFoundError when there is none."""
    folder = (given or package_folder().parents[1]).resolve()
    if not (folder / "workflow" / "Snakefile").is_file():
        message = f"{folder} has no workflow/Snakefile: name the checkout of Ephemera with --checkout"
        raise FileNotFoundError(message)
    return folder


def serve(options: argparse.Namespace, local: Sequence[str]) -> None:
    """Serve until interrupted; all files of all jobs are removed at the end.

    `local` are names of this machine under which the page may be asked for, beside `options.host`.
    """
    checkout = find_checkout(options.checkout)
    hosts = ["*"] if options.host == "0.0.0.0" else [*local, options.host]  # noqa: S104
    hosts = [f"[{host}]" if ":" in host else host for host in hosts]
    with tempfile.TemporaryDirectory(prefix="ephemera-web-") as root:
        jobs = Jobs(Path(root), checkout, options.cores, options.keep_hours)
        app = application(jobs, int(options.max_upload_gb * 1e9), hosts)
        sys.stdout.write(
            f"Open http://{options.host}:{options.port}/ (Ctrl-C ends it and removes all results)\n"
        )
        sys.stdout.flush()
        uvicorn.run(app, host=options.host, port=options.port, log_level="warning", server_header=False)
