"""Plug-ins: a survey, quality columns, a finder or a simulator of one's own.

Named `package.module:Name` or `path/file.py:Name`. The class is made once without arguments and declares
`name` and `options` (its settings by name: a type, or a default value); its methods are pure functions of
their arguments:

    survey      fetch(row, config) -> (rows, metadata); reduce(rows, row, config) -> light curves
    quality     columns = {name: (threshold, two_sided)}; check(curve, row, config, sim) -> {name: values};
                they become columns of the table epoch and histograms of quality values
    finder      score(curve, scores, usable, config) -> values;
                detect(curve, values, usable, config) -> [(sign, rows, peak), ...]
    simulator   draw(rng, curve, config) -> truth; apply(curve, truth) -> flux

What a plug-in raises becomes the message of that source's error; the run goes on. The digest of the file is
part of the keys of the steps that use it.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.finder import Event
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.quality import QualityColumn, Scores

if TYPE_CHECKING:
    from ephemera.survey.store import Raw

#: Methods that each kind of plug-in must have.
METHODS: Mapping[str, tuple[str, ...]] = {
    "survey": ("fetch", "reduce"),
    "quality": ("check",),
    "finder": ("score", "detect"),
    "simulator": ("draw", "apply"),
}


class PluginError(Exception):
    """A plug-in cannot be used; the message says what it lacks."""


def source_of(reference: str) -> str | None:
    """File in which a plug-in stands, so that its content can be part of a key; None without one."""
    module, _, _ = reference.partition(":")
    if module.endswith(".py"):
        return module
    spec = importlib.util.find_spec(module)
    return spec.origin if spec is not None else None


@cache
def load_plugin(reference: str, kind: str) -> Any:
    """The plug-in object. Raises PluginError when it is not there or does not hold to its contract."""
    module_name, _, name = reference.partition(":")
    try:
        if module_name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(
                f"ephemera_plugin_{Path(module_name).stem}", module_name
            )
            if spec is None or spec.loader is None:
                raise ImportError(module_name)  # noqa: TRY301
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(module_name)
        plugin = getattr(module, name)()
    except (ImportError, AttributeError, OSError, SyntaxError, TypeError) as error:
        msg = f"the plug-in {reference} cannot be loaded: {type(error).__name__}: {error}"
        raise PluginError(msg) from error
    methods = METHODS.get(kind, METHODS["survey"])
    lacking = [method for method in methods if not callable(getattr(plugin, method, None))]
    if lacking or not isinstance(getattr(plugin, "name", None), str):
        msg = f"the plug-in {reference} must have a name and the methods {', '.join(methods)}"
        raise PluginError(msg)
    return plugin


def config_of(plugin: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a plug-in: those given, checked against what it declares, and its defaults.

    Raises PluginError for an unknown key, another type, or a missing value without default.
    """
    declared: Mapping[str, Any] = getattr(plugin, "options", {})
    unknown = sorted(set(options) - set(declared))
    if unknown:
        known = ", ".join(sorted(declared)) or "none"
        msg = f"{plugin.name} has no option {', '.join(unknown)}; it has {known}"
        raise PluginError(msg)
    config = {}
    for key, default in declared.items():
        kind = default if isinstance(default, type) else type(default)
        if key not in options and isinstance(default, type):
            msg = f"{plugin.name}: the option {key} ({kind.__name__}) must be given"
            raise PluginError(msg)
        value = options.get(key, default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind):
            msg = f"{plugin.name}: the option {key} must be {kind.__name__}, got {value!r}"
            raise PluginError(msg)
        config[key] = value
    return config


def options_for(plugin: Any, settings: Any) -> dict[str, Any]:
    """Settings of a plug-in out of `survey.plugins.options`, where they stand under its name."""
    given = getattr(settings.options, plugin.name, None)
    return config_of(plugin, {} if given is None else vars(given))


def too_many(failures: int, of: int, share: float) -> bool:
    """Whether more of a batch failed than may: more than `share`, where any may fail at least one."""
    return failures > (max(1.0, share * of) if share > 0 else 0)


def write_failures(path: Path, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Write what failed: source, survey, light curve, reason."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("source", "survey", "curve_id", "reason"))
        writer.writerows(rows)


def guarded(what: str, action: Callable[[], Any]) -> Any:
    """What `action` returns; whatever it raises becomes a SourceError."""
    try:
        return action()
    except Exception as error:
        msg = f"the plug-in {what} failed: {type(error).__name__}: {error}"
        raise SourceError(msg) from error


def declared_quality(settings: Any) -> dict[str, tuple[float, bool]]:
    """Quality columns that the plug-in declares: threshold, and whether it holds for both signs.

    Raises PluginError for names that cannot stand beside the columns of the table epoch.
    """
    if settings.quality_plugin is None:
        return {}
    from ephemera.survey.columns import EPOCH  # as below: the workflow reads this module

    plugin = load_plugin(settings.quality_plugin, "quality")
    found = {}
    for name, (threshold, two_sided) in getattr(plugin, "columns", {}).items():
        if not str(name).isidentifier() or name in EPOCH.names or not np.isfinite(threshold):
            msg = (
                f"{plugin.name}: the quality column {name!r} must have a plain name that is none of "
                f"{', '.join(EPOCH.names)}, and a finite threshold, got {threshold!r}"
            )
            raise PluginError(msg)
        found[str(name)] = (float(threshold), bool(two_sided))
    if not found:
        msg = f"{plugin.name} declares no columns: columns = {{name: (threshold, two_sided)}}"
        raise PluginError(msg)
    return found


def quality_of(settings: Any, rows: Mapping[str, Mapping[str, Any]], *, sim: bool = False) -> Any:
    """The quality plug-in as a function of a light curve; None without one."""
    if settings.quality_plugin is None:
        return None
    plugin = load_plugin(settings.quality_plugin, "quality")
    config = options_for(plugin, settings)
    declared = declared_quality(settings)

    def check(curve: LightCurve) -> dict[str, QualityColumn]:
        values = guarded(plugin.name, lambda: plugin.check(curve, rows.get(curve.source, {}), config, sim))
        if set(values) != set(declared) or any(len(v) != len(curve) for v in values.values()):
            wanted = ", ".join(sorted(declared))
            msg = f"the plug-in {plugin.name} must give the columns {wanted}, a value an epoch"
            raise SourceError(msg)
        return {
            key: QualityColumn(np.asarray(values[key], np.float64), limit, both)
            for key, (limit, both) in declared.items()
        }

    return check


def finder_of(settings: Any) -> Any:
    """The finder plug-in as a function of a light curve, its scores and usable epochs; None without one."""
    if settings.finder_plugin is None:
        return None
    plugin = load_plugin(settings.finder_plugin, "finder")
    config = options_for(plugin, settings)

    def find(
        curve: LightCurve, scores: Scores, usable: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float64], Sequence[Event]]:
        values = guarded(plugin.name, lambda: plugin.score(curve, scores, usable, config))
        found = guarded(plugin.name, lambda: plugin.detect(curve, values, usable, config))
        events = [
            Event(int(sign), np.asarray(rows, np.int64), int(peak), touches_gap=False)
            for sign, rows, peak in found
        ]
        return np.asarray(values, np.float64), events

    return find


def simulator_of(settings: Any) -> tuple[Any, dict[str, Any]] | None:
    """The simulator plug-in and its settings; None without one."""
    if settings.simulator_plugin is None:
        return None
    plugin = load_plugin(settings.simulator_plugin, "simulator")
    return plugin, options_for(plugin, settings)


class PluginAsker:
    """A survey that is a plug-in."""

    needs_network, is_plugin = True, True

    def __init__(self, survey: str, settings: Any) -> None:
        if settings.survey_plugin is None:
            msg = f"{survey} is no survey, and survey.plugins.survey names none"
            raise PluginError(msg)
        self.survey = survey
        self.plugin = load_plugin(settings.survey_plugin, "survey")
        if self.plugin.name != survey:
            msg = f"the plug-in {settings.survey_plugin} is the survey {self.plugin.name}, not {survey}"
            raise PluginError(msg)
        self.needs_network = bool(getattr(self.plugin, "needs_network", True))
        self.config = options_for(self.plugin, settings)

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Name and settings."""
        return {"name": row["name"], **self.config}

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """Rows that the plug-in gives, as a mapping of columns or an Arrow table."""
        import pyarrow as pa

        rows, metadata = guarded(self.plugin.name, lambda: self.plugin.fetch(row, self.config))
        table = rows if isinstance(rows, pa.Table) else pa.table(rows)
        from ephemera.survey.store import Raw  # pyarrow takes 0.15 s; the workflow reads this module

        return Raw(table, {**metadata, "reader": f"plug-in {self.plugin.name}"})
