"""The steps of a night run in this process, one after the other, as the workflow would run them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.config.alerts import Alerts
from ephemera.job import namespace

OUTPUTS = {
    "night": {"alerts": "alerts.parquet", "changed": "changed.parquet", "account": "account.json"},
    "associate": {
        "state": "state", "association": "association.parquet", "conflicts": "conflicts.parquet",
        "merges": "merges.parquet", "aliases": "aliases.parquet", "account": "account.json",
    },
    "crossmatch": {"state": "state"},
    "filter": {
        "state": "state", "verdicts": "verdicts.parquet", "loci": "loci.parquet", "past": "past.parquet",
        "counts": "counts.json", "times": "times.json",
    },
    "stream": {"streams": "streams", "counts": "counts.json"},
    "pages": {"pages": "pages"},
}  # fmt: skip


@dataclass
class Chain:
    """Nights in a folder; `options` changes settings of steps, `made` has the outputs of each night and step.

    `spent` has the seconds of each step of the newest night.
    """

    folder: Path
    options: dict[str, dict[str, Any]] = field(default_factory=dict)
    made: dict[tuple[int, str], Any] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)

    def run(self, night: int, alerts: pa.Table) -> Any:
        """Run all steps of a night on canonical alerts; returns the outputs by step."""
        delivery = self.folder / "decoded" / str(night)
        delivery.mkdir(parents=True)
        pq.write_table(alerts, delivery / f"{night}.0.parquet")
        before = max((n for n, _ in self.made), default=None)
        self.step("night", night, deliveries=[delivery])
        done = self.done(night)
        self.step("associate", night, alerts=done.night.alerts, previous=self._state(before, "associate"))
        state = {"alerts": done.night.alerts, "state": self.made[night, "associate"].state}
        self.step("crossmatch", night, previous=self._state(before, "crossmatch"), **state)
        done = self.done(night)
        ids = {"association": done.associate.association, "aliases": done.associate.aliases}
        previous = self._state(before, "filter")
        self.step("filter", night, matches=done.crossmatch.state, previous=previous, **state, **ids)
        made = self.done(night).filter
        found = {"loci": made.loci, "past": made.past, "verdicts": made.verdicts}
        self.step("stream", night, alerts=done.night.alerts, aliases=done.associate.aliases, **found)
        self.step("pages", night, conflicts=done.associate.conflicts, loci=made.loci, **state)
        return self.done(night)

    def done(self, night: int) -> Any:
        """Outputs of a night so far, by step."""
        return SimpleNamespace(**{step: out for (n, step), out in self.made.items() if n == night})

    def _state(self, night: int | None, step: str) -> Path | None:
        return None if night is None else self.made[night, step].state

    def step(self, name: str, night: int, **inputs: Any) -> None:
        """Run one step."""
        settings = Alerts().settings()[name] | self.options.get(name, {})
        place = self.folder / name / str(night)
        place.mkdir(parents=True)
        output = SimpleNamespace(**{k: place / v for k, v in OUTPUTS[name].items()})
        recipe = {"folder": str(self.folder / name), "parameters": settings, "rebuild_from": None}
        job = SimpleNamespace(
            input=SimpleNamespace(**{k: v for k, v in inputs.items() if v is not None}), output=output,
            settings=namespace(settings | {"radius_arcsec": settings.get("radius_arcsec", 2.0)}),
            wildcards=SimpleNamespace(project="chain", night=str(night)), recipe=recipe, threads=1,
        )  # fmt: skip
        start = time.perf_counter()
        import_module(f"ephemera.alerts.{name}").main(job)
        self.spent[f"alerts.{name}"] = time.perf_counter() - start
        self.made[night, name] = output


def json_of(path: Path) -> Any:
    """Content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
