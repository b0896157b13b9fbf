"""Get a catalogue from its address, once; it is kept with the raw files and shared by all projects."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.survey.archive_web import web_of
from ephemera.survey.catalogue import WD_URL
from ephemera.transfer import BadAnswer, WebError

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def is_no_page(path: Path) -> None:
    """Check that a file is no page of HTML and, if it ends in .gz, gzip to its last byte."""
    import gzip
    import zlib

    with path.open("rb") as handle:
        start = handle.read(512).lstrip().lower()
    if not start or start.startswith((b"<!doctype html", b"<html")):
        msg = "a page came instead of a catalogue" if start else "the catalogue is empty"
        raise BadAnswer(msg)
    if path.name.endswith(".gz"):
        try:
            with gzip.open(path) as packed:
                while packed.read(1 << 22):
                    pass
        except (OSError, EOFError, zlib.error) as error:
            msg = f"the gzip file is damaged: {error}"
            raise BadAnswer(msg) from error


def main(job: Job) -> None:
    """Download the catalogue."""
    settings = job.settings
    url = settings.url or WD_URL
    if settings.offline:
        msg = f"offline: put the file of {url} at {job.output.catalogue.name} in the raw folder yourself"
        raise WebError(msg)
    web_of(settings).download(url, job.output.catalogue, check=is_no_page)
    log.info("%s: %d bytes", url, job.output.catalogue.stat().st_size)
