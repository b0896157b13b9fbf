"""Run all benchmarks, or those named: `python tests/bench/run.py xmm`. Prints one line for each figure."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main(names: list[str]) -> None:
    """Print the figures of the benchmarks named, all by default."""
    found = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem != "run"}
    unknown = sorted(set(names) - set(found))
    if unknown:
        message = f"no benchmark called {', '.join(unknown)}; there are {', '.join(found)}"
        raise SystemExit(message)
    sys.stdout.write(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    for name in names or found:
        spec = importlib.util.spec_from_file_location(name, found[name])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        for what, value, unit, note in module.run():
            sys.stdout.write(f"{what:50} {value:12.3f} {unit:6} {note}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
