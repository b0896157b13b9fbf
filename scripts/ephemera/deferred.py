"""Parts of libraries that no step uses, but that other parts import: loaded when they are asked for.

SciPy copies all public names of NumPy when it is imported and so loads NumPy's Fortran compiler interface and
its test tools; MOCPy loads matplotlib for plots of MOCs and networkx for their outlines; PyArrow loads pandas
to see whether it is given a Series. That is a third to a half of the start of most steps.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:  # importlib.abc takes 20 ms of each job
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from types import ModuleType

DEFERRED = frozenset(
    {
        "numpy.f2py",
        "numpy.testing",
        "mocpy.moc.plot.border",
        "mocpy.moc.plot.fill",
        "networkx",
    }
)


class Deferring:
    """Finds the modules of `DEFERRED` as the usual search does, and has them run at their first use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Specification of a deferred module; None leaves all others to the usual search."""
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


class Hiding:
    """Does not find pandas while PyArrow looks for it, which it does once."""

    def __init__(self) -> None:
        self.hides = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Specification of PyArrow and of pandas; raises ModuleNotFoundError for pandas at that moment."""
        if fullname not in ("pandas", "pyarrow"):
            return None
        if fullname == "pandas" and self.hides:
            raise ModuleNotFoundError(name=fullname)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            followed = Followed(spec.loader, self.hide if fullname == "pyarrow" else _show)
            spec.loader = cast("Loader", followed)
        return spec

    def hide(self) -> None:
        """Have PyArrow look for pandas now, in both of its ways."""
        from pyarrow import array, lib

        if "pandas" in sys.modules:
            return
        self.hides = True
        try:
            _ = lib._pandas_api.have_pandas  # noqa: SLF001  the only way to have it look
            array([None])
        finally:
            self.hides = False


class Followed:
    """Loads a module as its own loader does, then acts."""

    def __init__(self, loader: Loader, afterwards: Callable[[], None]) -> None:
        self.loader = loader
        self.afterwards = afterwards

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Module of the own loader."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module under its own loader, by which its data files are found."""
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.afterwards()


def _show() -> None:
    """Have PyArrow know pandas after all, so that it takes a Series for what it is."""
    if "pyarrow.lib" in sys.modules:
        _ = sys.modules["pyarrow.lib"]._pandas_api.pd  # noqa: SLF001  as above


def defer() -> None:
    """Defer in this process what was not imported yet; calling it again changes nothing."""
    _prepend(Deferring())


def without_pandas() -> None:
    """Keep PyArrow from loading pandas, until something else does; calling it again changes nothing.

    Not where users' code runs: what PyArrow then learns of pandas is its Series and DataFrame, but not the
    NaT and NA in lists of Python.
    """
    finder = Hiding()
    if _prepend(finder) and "pyarrow" in sys.modules:
        finder.hide()


def _prepend(finder: Deferring | Hiding) -> bool:
    if any(isinstance(other, type(finder)) for other in sys.meta_path):
        return False
    sys.meta_path.insert(0, finder)
    return True
