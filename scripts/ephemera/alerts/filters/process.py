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
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ephemera.alerts.filters.contract import ContractError, Filter, Property, RequirementMissingError, Tag

if TYPE_CHECKING:
    from ephemera.alerts.filters.locus import Locus

#: A child is ended when it is silent this much longer than its own limit, s.
GRACE = 1.0
#: A child that closed its pipe has this long to end, s: on a busy machine an interpreter takes a while.
LEAVING = 5.0
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


def name_of(error: Exception) -> str:
    """Name of an error, of the one that a child reported where it is that."""
    return error.remote_name if isinstance(error, FilterProcessError) else type(error).__name__


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
        except BaseException:
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
            pass_fds=[write], close_fds=True, bufsize=0,
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

    def run(self, locus: Locus) -> Any:
        """Judge one locus. Raises FilterProcessError when the child does."""
        if self.child is None or self.child.poll() is not None:
            self._restart()
        request = {
            "do": "run", "locus": locus.locus_id, "row": locus.row, "tags": sorted(locus.tags),
            "properties": dict(locus.properties),
        }  # fmt: skip
        return self._request(request, self.seconds + GRACE)

    def _restart(self) -> None:
        self._stop()
        self._start()
        self._request({"do": "setup", "config": self.options, "files": self.files}, START)
        if self.night is not None:
            self._request({"do": "night", "folder": self.night}, START)

    def _request(self, request: Mapping[str, Any], seconds: float) -> Any:
        """Send a request and wait for its answer; neither may take longer than `seconds`."""
        assert self.child is not None
        assert self.child.stdin is not None
        pipe, line = self.child.stdin.fileno(), json.dumps(request).encode() + b"\n"
        end = time.monotonic() + seconds
        try:
            while line:
                # So much a pipe that is ready takes without waiting for its reader.
                if not select.select([], [pipe], [], max(end - time.monotonic(), 0))[1]:
                    raise self._silent(seconds)
                line = line[os.write(pipe, line[: select.PIPE_BUF]) :]
        except OSError:
            raise self._gone() from None
        return self._receive(seconds)

    def _receive(self, seconds: float) -> Any:
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            if not select.select([self.answers], [], [], max(end - time.monotonic(), 0))[0]:
                raise self._silent(seconds)
            part = os.read(self.answers, 65536)
            if not part:
                raise self._gone()
            self.buffer += part
            if len(self.buffer) > LONGEST:
                self._stop()
                message = f"{self.spec} sent more than {LONGEST} bytes"
                raise FilterProcessError(message)
        line, _, self.buffer = self.buffer.partition(b"\n")
        return _answer_of(line)

    def _silent(self, seconds: float) -> FilterProcessError:
        """The child does not take part any more."""
        self._stop()
        message = f"{self.spec} did not answer within {seconds:g} s and was ended"
        return FilterProcessError(message, "FilterTimeoutError")

    def _gone(self) -> FilterProcessError:
        """The child closed its end of a pipe; one that lives on is ended."""
        assert self.child is not None
        try:
            code = self.child.wait(LEAVING)
        except subprocess.TimeoutExpired:
            self._stop()
            return FilterProcessError(f"{self.spec} gave up its pipe and was ended")
        return FilterProcessError(f"{self.spec} left its interpreter (exit code {code})", "SystemExit")

    def _stop(self) -> None:
        """End the child, which is ours."""
        if self.child is None:
            return
        assert self.child.stdin is not None
        if self.child.poll() is None:
            self.child.kill()
        self.child.stdin.close()
        self.child.wait()
        os.close(self.answers)
        self.child = None

    def close(self) -> None:
        """End the child and remove what was sent."""
        self._stop()
        if self.folder is not None:
            self.folder.cleanup()


def _answer_of(line: bytes) -> Any:
    """Answer in a line of JSON. Raises what the child reports, and ContractError for what is no answer."""
    try:
        answer = json.loads(line)
        error = answer.get("error")
        name, message, trace = (str(part) for part in error) if error is not None else ("", "", "")
    except (ValueError, TypeError, AttributeError):
        message = "a filter's process must answer with a JSON object"
        raise ContractError(message) from None
    if name == RequirementMissingError.__name__:
        raise RequirementMissingError(message)
    if error is not None:
        raise FilterProcessError(message, name, trace)
    return answer.get("answer")
