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

What a plug-in raises, and what it gives that is not of this form, becomes the message of that source's error;
the run goes on. The digest of the file is part of the keys of the steps that use it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from ephemera.survey.finder import Event
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.quality import QualityColumn, Scores

if TYPE_CHECKING:
    from ephemera.survey.injection import Truth
    from ephemera.survey.judging import Finder
    from ephemera.survey.quality import Check
    from ephemera.survey.store import Raw

Got = TypeVar("Got")
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Names of the finders that need no plug-in.
BUILT_IN = ("runs", "matched")
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
    methods = METHODS[kind]
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


def check_failures(what: str, failures: Sequence[str], of: int, share: float) -> None:
    """Raise RuntimeError when more of a batch failed than may: more than `share`, where any may at least one.

    `what` is what failed (sources, light curves), `failures` says of each which and why.
    """
    if len(failures) > (max(1.0, share * of) if share > 0 else 0):
        msg = (
            f"{len(failures)} of {of} {what} failed, more than survey.fetch.max_failures allows; "
            f"first {failures[0]}"
        )
        raise RuntimeError(msg)


def guarded(what: str, action: Callable[[], Got]) -> Got:
    """What `action` returns; whatever the plug-in raises in it becomes a SourceError.

    All that looks at what a plug-in gave belongs into `action`: it may give anything.
    """
    try:
        return action()
    except SourceError:
        raise
    except Exception as error:  # a user's plug-in may raise anything
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


def quality_of(settings: Any, rows: Mapping[str, Mapping[str, Any]], *, sim: bool = False) -> Check | None:
    """The quality plug-in as a function of a light curve; None without one."""
    if settings.quality_plugin is None:
        return None
    plugin = load_plugin(settings.quality_plugin, "quality")
    config = options_for(plugin, settings)
    declared = declared_quality(settings)

    def check(curve: LightCurve) -> dict[str, QualityColumn]:
        def columns() -> dict[str, QualityColumn]:
            given = plugin.check(curve, rows.get(curve.source, {}), config, sim)
            values = {name: np.asarray(v, np.float64) for name, v in dict(given).items()}
            if set(values) != set(declared) or any(v.shape != (len(curve),) for v in values.values()):
                msg = f"check must give the columns {', '.join(sorted(declared))}, a value an epoch"
                raise ValueError(msg)
            return {name: QualityColumn(values[name], *rule) for name, rule in declared.items()}

        return guarded(plugin.name, columns)

    return check


def finder_of(settings: Any) -> tuple[str, Finder] | None:
    """Name of the finder plug-in, and it as a function of a light curve; None without one."""
    if settings.finder_plugin is None:
        return None
    plugin = load_plugin(settings.finder_plugin, "finder")
    if plugin.name in BUILT_IN:
        msg = f"a finder of one's own cannot be called {plugin.name}: {' and '.join(BUILT_IN)} are built in"
        raise PluginError(msg)
    config = options_for(plugin, settings)

    def find(curve: LightCurve, scores: Scores, usable: BoolArray) -> tuple[FloatArray, Sequence[Event]]:
        def found() -> tuple[FloatArray, Sequence[Event]]:
            values = np.asarray(plugin.score(curve, scores, usable, config), np.float64)
            if values.shape != (len(curve),):
                msg = f"score must give a value an epoch, got {values.shape} for {len(curve)}"
                raise ValueError(msg)
            detected = plugin.detect(curve, values, usable, config)
            return values, [_event(sign, where, peak, len(curve)) for sign, where, peak in detected]

        return guarded(plugin.name, found)

    return plugin.name, find


def _event(sign: Any, rows: Any, peak: Any, n: int) -> Event:
    """An event as a plug-in gives it. Raises ValueError for rows that are none of the `n` epochs."""
    event = Event(int(sign), np.asarray(rows, np.int64), int(peak), touches_gap=False)
    inside = event.rows.ndim == 1 and len(event.rows) and event.rows.min() >= 0 and event.rows.max() < n
    if not inside or event.peak not in event.rows or event.sign not in (1, -1):
        msg = f"an event is (1 or -1, rows of epochs, one of them), got ({sign}, {rows}, {peak})"
        raise ValueError(msg)
    return event


#: What a simulator gives: the truth of an event and the flux with it.
Simulator = Callable[[np.random.Generator, LightCurve], "tuple[Truth, FloatArray]"]


def simulator_of(settings: Any) -> Simulator | None:
    """The simulator plug-in as a function of a random state and a light curve; None without one."""
    if settings.simulator_plugin is None:
        return None
    from ephemera.survey.injection import Truth

    plugin = load_plugin(settings.simulator_plugin, "simulator")
    config = options_for(plugin, settings)
    kinds = {"shape": str, "sign": int, "amplitude_unit": str}

    def simulate(rng: np.random.Generator, curve: LightCurve) -> tuple[Truth, FloatArray]:
        def simulated() -> tuple[Truth, FloatArray]:
            drawn = dict(plugin.draw(rng, curve, config))
            truth = Truth(**{key: kinds.get(key, float)(value) for key, value in drawn.items()})
            flux = np.asarray(plugin.apply(curve, truth), np.float64)
            if flux.shape != (len(curve),):
                msg = f"apply must give a flux an epoch, got {flux.shape} for {len(curve)}"
                raise ValueError(msg)
            return truth, flux

        return guarded(plugin.name, simulated)

    return simulate


class PluginAsker:
    """A survey that is a plug-in."""

    is_plugin = True

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

        from ephemera.survey.store import Raw  # pyarrow takes 0.15 s; the workflow reads this module

        def fetched() -> Raw:
            rows, metadata = self.plugin.fetch(row, self.config)
            told = json.loads(json.dumps(dict(metadata), allow_nan=False))
            table = rows if isinstance(rows, pa.Table) else pa.table(dict(rows))
            return Raw(table, {**told, "reader": f"plug-in {self.plugin.name}"})

        return guarded(self.survey, fetched)


def reduce_by_plugin(rows: Any, row: Mapping[str, Any], settings: Any) -> list[LightCurve]:
    """Light curves that the survey plug-in makes of a source's raw rows."""
    plugin = load_plugin(settings.survey_plugin, "survey")
    config = options_for(plugin, settings)

    def reduced() -> list[LightCurve]:
        return [_light_curve(curve) for curve in plugin.reduce(rows, row, config)]

    return guarded(plugin.name, reduced)


#: Columns of a light curve that must be arrays of numbers.
NUMBERS = ("mjd", "flux", "flux_err", "flag", "bad", "live")


def _light_curve(given: Any) -> LightCurve:
    """A light curve as a plug-in gives it. Raises TypeError or ValueError for anything else."""
    if not isinstance(given, LightCurve):
        msg = f"reduce must give light curves, got {type(given).__name__}"
        raise TypeError(msg)
    columns = {name: np.asarray(getattr(given, name)) for name in NUMBERS}
    if any(v.dtype.kind not in "fiub" or v.shape != (len(given.mjd),) for v in columns.values()):
        shapes = {name: f"{v.dtype} {v.shape}" for name, v in columns.items()}
        msg = f"the columns of a light curve must be numbers of one length, got {shapes}"
        raise ValueError(msg)
    return given
