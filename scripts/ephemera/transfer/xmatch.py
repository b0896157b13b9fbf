"""Client of the CDS X-Match service: positions go up in chunks, matches come back, answers are kept.

A request is a form with request=xmatch, distMaxArcsec, RESPONSEFORMAT=csv, cat2 and a file `cat1` whose
columns colRA1 and colDec1 name (Boch, Pineau & Derriere 2012, ASPC 461, 291). The answer is a CSV table: the
column angDist (arcsec), the uploaded columns, and those of the catalogue. An answer is kept under the hash of
what was asked, so that the same question is asked once, and not at all when offline.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pcsv

from ephemera.files import atomic_path
from ephemera.transfer.errors import BadAnswer, WebError
from ephemera.transfer.web import Answer, Web

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

#: Columns sent, with names that no catalogue has.
ROW, RA, DEC = "ephemera_row", "ephemera_ra", "ephemera_dec"
SEPARATION = "angDist"


class Unavailable(Exception):  # noqa: N818  names what the service is
    """The service did not answer, or may not be asked; the message says why."""


@dataclass(frozen=True)
class XMatch:
    """The service at `url`, asked through `web` (None: offline) in chunks; answers are kept in `folder`."""

    url: str
    web: Web | None
    folder: Path
    chunk_rows: int = 50_000

    def near(self, table: str, ra: FloatArray, dec: FloatArray, radius_arcsec: float) -> pa.Table:
        """Rows of a catalogue within the radius of the positions (degrees); one row for each pair.

        Columns as the service names them, all as text, without those sent. Raises Unavailable.
        """
        answers = [self._chunk(table, upload, radius_arcsec) for upload in self._uploads(ra, dec)]
        if not answers:
            return pa.table({})
        return pa.concat_tables(answers).drop_columns([SEPARATION, ROW, RA, DEC])

    def _uploads(self, ra: FloatArray, dec: FloatArray) -> Iterator[bytes]:
        """The positions, each once and in order, as CSV tables of at most `chunk_rows` rows."""
        unique = np.unique(np.stack([ra, dec], axis=1), axis=0) if len(ra) else np.empty((0, 2))
        unique = unique[np.all(np.isfinite(unique), axis=1)]
        for start in range(0, len(unique), self.chunk_rows):
            rows = unique[start : start + self.chunk_rows].tolist()
            lines = [f"{k},{a:.7f},{d:.7f}" for k, (a, d) in enumerate(rows)]
            yield ("\n".join([f"{ROW},{RA},{DEC}", *lines]) + "\n").encode("ascii")

    def _chunk(self, table: str, upload: bytes, radius_arcsec: float) -> pa.Table:
        question = {"cat2": table, "distMaxArcsec": f"{radius_arcsec:g}", "url": self.url}
        name = hashlib.sha256(json.dumps(question, sort_keys=True).encode() + upload).hexdigest()
        kept = self.folder / f"{name}.csv"
        if kept.is_file():
            return parse(kept.read_bytes())
        if self.web is None:
            msg = f"offline, and no kept answer for {table}"
            raise Unavailable(msg)
        fields = {
            "request": "xmatch",
            "distMaxArcsec": question["distMaxArcsec"],
            "RESPONSEFORMAT": "csv",
            "cat2": table,
            "colRA1": RA,
            "colDec1": DEC,
        }
        try:
            answer = self.web.post(self.url, fields, {"cat1": ("positions.csv", upload)}, check=_check)
        except WebError as error:
            raise Unavailable(str(error)) from error
        with atomic_path(kept) as partial:
            partial.write_bytes(answer.body)
        log.info("%s: %d positions sent", table, upload.count(b"\n") - 1)
        return parse(answer.body)


def _check(answer: Answer) -> None:
    parse(answer.body)


def parse(body: bytes) -> pa.Table:
    """The table of an answer, all columns as text and empty ones null. Raises BadAnswer for anything else."""
    if not body.strip():
        msg = "the answer is empty"
        raise BadAnswer(msg)
    names = body.split(b"\n", 1)[0].decode("utf-8", "replace").strip().split(",")
    missing = [name for name in (SEPARATION, ROW, RA, DEC) if name not in names]
    if missing:
        msg = f"the answer is no table of matches: it lacks {', '.join(missing)}"
        raise BadAnswer(msg)
    if not body.endswith(b"\n"):
        msg = "the answer ends within a line"
        raise BadAnswer(msg)
    try:
        return pcsv.read_csv(
            io.BytesIO(body),
            convert_options=pcsv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=True
            ),
        )
    except pa.ArrowException as error:
        msg = f"the answer cannot be read: {error}"
        raise BadAnswer(msg) from error
