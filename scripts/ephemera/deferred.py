"""Parts of libraries that no step uses, but that other parts import: loaded when a name in them is asked for.

SciPy copies all public names of NumPy when it is imported and so loads NumPy's Fortran compiler interface and
its test tools; MOCPy loads matplotlib for plots of MOCs. That is a third of the start of most steps.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

DEFERRED = frozenset(
    {
        "numpy.f2py",
        "numpy.testing",
        "mocpy.moc.plot.border",
        "mocpy.moc.plot.fill",
    }
)


class Deferring(MetaPathFinder):
    """Finds the modules of `DEFERRED` as the usual search does, and has them run at their first use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Specification of a deferred module; None leaves all others to the usual search."""
        if fullname not in DEFERRED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, Loader):
            spec.loader = LazyLoader(spec.loader)
        return spec


def defer() -> None:
    """Defer in this process what was not imported yet; calling it again changes nothing."""
    if not any(isinstance(finder, Deferring) for finder in sys.meta_path):
        sys.meta_path.insert(0, Deferring())
