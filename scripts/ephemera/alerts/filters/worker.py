"""The child of a `ProcessFilter`: imports a user's filter and judges loci, one line of JSON each.

python -m ephemera.alerts.filters.worker SPEC ANSWER_FD SECONDS MEMORY_MB
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

import pyarrow as pa

from ephemera.alerts.filters.alarm import Alarm
from ephemera.alerts.filters.contract import Filter, check_declaration, check_options, checked
from ephemera.alerts.filters.load import user_filter
from ephemera.alerts.filters.locus import AlertColumns, Locus, by_catalogue, plain_properties


def declaration(candidate: Filter) -> dict[str, Any]:
    """What a filter declares, as JSON."""
    names = ("surveys", "bands", "required_fields", "required_properties", "required_tags",
             "required_catalogues", "order_after")  # fmt: skip
    return {
        **{name: getattr(candidate, name) for name in ("name", "version", "description", "min_detections")},
        **{name: list(getattr(candidate, name)) for name in names},
        "output_tags": [[tag.name, tag.description] for tag in candidate.output_tags],
        "output_properties": [
            [one.name, one.kind.__name__, one.unit, one.description] for one in candidate.output_properties
        ],
    }


class Worker:
    """Answers requests about one filter."""

    def __init__(self, candidate: Filter, alarm: Alarm) -> None:
        self.filter, self.alarm = candidate, alarm

    def setup(self, request: dict[str, Any]) -> Any:
        """Set the filter up."""
        check_options(self.filter, request["config"])
        files = {name: Path(path) for name, path in request["files"].items()}
        self.filter.setup(request["config"], files)
        return declaration(self.filter)

    def night(self, request: dict[str, Any]) -> Any:
        """Read the night's loci and alerts."""
        tables = {}
        for name in ("loci", "alerts"):
            with pa.memory_map(f"{request['folder']}/{name}.arrow") as source:
                tables[name] = pa.ipc.open_file(source).read_all()
        self.columns = AlertColumns(tables["alerts"])
        loci = tables["loci"]
        self.first = {name: span[0] for name, span in self.columns.spans().items()}
        self.rows = {name: k for k, name in enumerate(loci["locus_id"].to_pylist())}
        facts = ("ra", "dec", "n_det", "scatter", "sep99", "mjd_first", "mjd_last")
        self.facts = {name: loci[name].to_pylist() for name in facts}
        self.matches = [by_catalogue(row) for row in loci["matches"].to_pylist()]
        self.properties = [plain_properties(row) for row in loci["properties"].to_pylist()]
        return None

    def run(self, request: dict[str, Any]) -> Any:
        """Judge one locus."""
        name, row = request["locus"], request["row"]
        k = self.rows[name]
        facts = {"locus_id": name, **{fact: values[k] for fact, values in self.facts.items()}}
        locus = Locus(
            self.columns, self.first[name], row, facts, self.columns.get("night")[row],
            dict.fromkeys(request["tags"]), request["properties"], self.matches[k],
        )  # fmt: skip
        verdict = checked(self.filter, self.alarm.call(self.filter.run, locus))
        return {"tags": list(verdict.tags), "properties": dict(verdict.properties)}


def main() -> None:
    """Serve until the parent closes the pipe."""
    spec, descriptor, seconds, memory_mb = sys.argv[1:5]
    requests = os.fdopen(os.dup(0), "rb")
    sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123  a filter that reads finds nothing
    limit = int(memory_mb) * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    answers = os.fdopen(int(descriptor), "wb", buffering=0)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content).encode() + b"\n")

    def attempt(function: Any, *arguments: Any) -> None:
        try:
            result = function(*arguments)
        except Exception as error:  # noqa: BLE001  a user's filter may raise anything
            answer({"error": [type(error).__name__, str(error)[:500], traceback.format_exc()[-2000:]]})
        else:
            answer({"answer": result})

    worker: Worker | None = None

    def start() -> Any:
        nonlocal worker
        candidate = user_filter(spec)
        check_declaration(candidate)
        worker = Worker(candidate, alarm)
        return declaration(candidate)

    with Alarm(float(seconds)) as alarm:
        attempt(start)
        for line in requests:
            request = json.loads(line)
            attempt(getattr(worker, request["do"]), request)


if __name__ == "__main__":
    main()
