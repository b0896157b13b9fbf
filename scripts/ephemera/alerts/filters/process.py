"""A user's filter in a process of its own: it may loop, exit, print or eat memory, and the stream goes on.

The parent sends the night once, as an Arrow file, and then one line of JSON for each locus; the child
answers with one line of JSON. Nothing that comes from the child is executed or unpickled.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

import pyarrow as pa

from ephemera.alerts.filters.contract import ContractError, Filter, Property, Tag

#: A child is ended when it is silent this much longer than its own limit, s.
GRACE = 1.0
#: Importing a user's file and its setup may take this long, s.
START = 60.0
#: Longest line that a child may send.
LONGEST = 1_000_000
_KINDS = {"float": float, "int": int, "str": str}


class FilterProcessError(Exception):
    """The child reported an error, exited, or was silent for too long."""

    def __init__(self, message: str, name: str = "FilterProcessError", trace: str = "") -> None:
        super().__init__(message)
        self.remote_name, self.remote_traceback = name, trace or message


class ProcessFilter(Filter):
    """Stands for a filter that runs in another process."""

    def __init__(self, spec: str, seconds: float, memory_mb: int) -> None:
        self.spec, self.seconds, self.memory_mb = spec, seconds, memory_mb
        self.child: subprocess.Popen[bytes] | None = None
        self.buffer = b""
        self.options: Mapping[str, Any] = {}
        self.files: Mapping[str, str] = {}
        self.folder: tempfile.TemporaryDirectory[str] | None = None
        self.night: str | None = None
        try:
            self._start()
        except Exception:
            self._stop()
            raise

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Set the filter up in its process."""
        self.options, self.files = dict(config), {name: str(path) for name, path in files.items()}
        self._declare(self._request({"do": "setup", "config": self.options, "files": self.files}, START))

    def _start(self) -> None:
        """Start the child and take over the filter's declaration."""
        read, write = os.pipe()
        command = [sys.executable, "-m", "ephemera.alerts.filters.worker", self.spec, str(write),
                   str(self.seconds), str(self.memory_mb)]  # fmt: skip
        self.buffer = b""
        self.child = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=[write], close_fds=True,
        )  # fmt: skip
        os.close(write)
        self.answers = read
        self._declare(self._receive(START))

    def _declare(self, answer: Mapping[str, Any]) -> None:
        for name in ("name", "version", "description"):
            setattr(self, name, str(answer[name]))
        for name in ("surveys", "bands", "required_fields", "required_properties", "required_tags",
                     "required_catalogues", "order_after"):  # fmt: skip
            setattr(self, name, tuple(map(str, answer[name])))
        self.min_detections = int(answer["min_detections"])
        self.output_tags = tuple(Tag(*map(str, tag)) for tag in answer["output_tags"])
        self.output_properties = tuple(
            Property(name, _KINDS[kind], unit, description)
            for name, kind, unit, description in answer["output_properties"]
        )

    def send_night(self, loci: pa.Table, alerts: pa.Table) -> None:
        """Give the child the night's loci and alerts."""
        self.folder = tempfile.TemporaryDirectory(prefix="ephemera-filter-")
        for name, table in (("loci", loci), ("alerts", alerts)):
            with (
                pa.OSFile(f"{self.folder.name}/{name}.arrow", "wb") as sink,
                pa.ipc.new_file(sink, table.schema) as writer,
            ):
                writer.write_table(table)
        self.night = self.folder.name
        self._request({"do": "night", "folder": self.night}, START)

    def ask(self, index: int, row: int, tags: AbstractSet[str], properties: Mapping[str, Any]) -> Any:
        """Judge one locus at one alert. Raises FilterProcessError when the child does."""
        if self.child is None or self.child.poll() is not None:
            self._restart()
        return self._request(
            {"do": "run", "index": index, "row": row, "tags": sorted(tags), "properties": dict(properties)},
            self.seconds + GRACE,
        )

    def _restart(self) -> None:
        self._stop()
        self._start()
        self._request({"do": "setup", "config": self.options, "files": self.files}, START)
        if self.night is not None:
            self._request({"do": "night", "folder": self.night}, START)

    def _request(self, request: Mapping[str, Any], seconds: float) -> Any:
        assert self.child is not None
        assert self.child.stdin is not None
        try:
            self.child.stdin.write(json.dumps(request).encode() + b"\n")
            self.child.stdin.flush()
        except OSError:
            raise self._gone() from None
        return self._receive(seconds)

    def _receive(self, seconds: float) -> Any:
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            left = end - time.monotonic()
            ready = select.select([self.answers], [], [], max(left, 0))[0] if left > 0 else []
            if not ready:
                self._stop()
                message = f"{self.spec} did not answer within {seconds:g} s and was ended"
                raise FilterProcessError(message, "FilterTimeoutError")
            part = os.read(self.answers, 65536)
            if not part:
                raise self._gone()
            self.buffer += part
            if len(self.buffer) > LONGEST:
                self._stop()
                message = f"{self.spec} sent more than {LONGEST} bytes"
                raise FilterProcessError(message)
        line, _, self.buffer = self.buffer.partition(b"\n")
        answer = _parsed(line)
        if "error" in answer:
            name, message, trace = (str(part) for part in answer["error"])
            raise FilterProcessError(message, name, trace)
        return answer.get("answer")

    def _gone(self) -> FilterProcessError:
        assert self.child is not None
        self.child.stdin and self.child.stdin.close()
        code = self.child.wait()
        return FilterProcessError(f"{self.spec} left its interpreter (exit code {code})", "SystemExit")

    def _stop(self) -> None:
        """End the child, which is ours."""
        if self.child is None:
            return
        if self.child.poll() is None:
            self.child.kill()
        if self.child.stdin:
            try:
                self.child.stdin.close()
            except OSError:
                self.child.stdin = None
        self.child.wait()
        os.close(self.answers)
        self.child = None

    def close(self) -> None:
        """End the child and remove what was sent."""
        self._stop()
        if self.folder is not None:
            self.folder.cleanup()


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        message = "a filter's process must answer with a JSON object"
        raise ContractError(message)
    return answer
