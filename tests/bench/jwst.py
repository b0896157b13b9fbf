"""Times of the JWST branch: readers beside their plain twins, and a long observation from file to ZIP.

python tests/bench/jwst.py            10,000 x 2,000, with its peak memory
python tests/bench/jwst.py --quick    2,000 x 400
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from builders.jwst_steps import run_steps
from ephemera.jwst.normalised import normalise
from ephemera.jwst.read import read_series
from ephemera.jwst.simulate import SCENARIOS, Scenario, simulate

Row = tuple[str, float, str, str]

BANDS = [{"name": "Water", "start": 2.5, "end": 2.8}, {"name": "Blue", "start": 0.9, "end": 1.1}]
#: Sizes of the long observation: integrations, channels, and the targets it is held to (s, MB).
QUICK, FULL = (2000, 400), (10000, 2000)
TARGET_S, TARGET_MB = 20.0, 1536.0


def best_of(action: Callable[[], object], repeats: int = 3) -> float:
    """Shortest of a few runs, s."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def peak_mb() -> float:
    """Largest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def layouts(folder: Path) -> list[Row]:
    """Old and new layout, 1000 integrations of 400 channels, beside astropy in one pass."""
    from astropy.io import fits

    shape = replace(
        SCENARIOS["small"], n_integrations=1000, cadence_s=20.0, detectors=(("NIS", 1, 0.85, 2.8, 400),)
    )
    rows: list[Row] = []
    for layout in ("old", "new"):
        place = folder / layout
        simulate(place, replace(shape, layout=layout))
        path = next(place.iterdir())
        rows.append((f"read {layout} layout 1000 x 400", best_of(lambda p=path: read_series([p])), "s", ""))

        def twin(p: Path = path, kind: str = layout) -> np.ndarray:
            with fits.open(p) as units:
                tables = [unit.data for unit in units if unit.name == "EXTRACT1D"]
                return np.array([t["FLUX"] for t in tables]) if kind == "old" else np.array(tables[0]["FLUX"])

        slow = best_of(twin, 1)
        good = ~np.isnan(read_series([path])[0].flux.T)
        same = np.allclose(
            np.where(good, twin().reshape(1000, -1), 0), np.where(good, read_series([path])[0].flux.T, 0)
        )
        rows.append(
            (f"  astropy, one pass, {layout}", slow, "s", f"ratio {slow / rows[-1][1]:.1f}, equal: {same}")
        )
    path = next((folder / "new").iterdir())
    rows.append(
        (
            "load + align + normalise 1000 x 400",
            best_of(lambda: normalise(read_series([path])[0])),
            "s",
            "target 0.1",
        )
    )
    return rows


def long_observation(folder: Path, size: tuple[int, int]) -> list[Row]:
    """A product of the new layout from file to ZIP: total, shares, peak memory."""
    n, channels = size
    scenario = Scenario(
        n_integrations=n, cadence_s=8.0, detectors=(("NIS", 1, 0.85, 2.8, channels),), t0_hours=n / 900
    )
    simulate(folder / "source", scenario)
    before = peak_mb()
    times: dict[str, float] = {}
    run_steps(folder, folder / "source", {"series": {"bands": BANDS}}, unit="long", times=times)
    total = sum(times.values())
    target = f"target {TARGET_S:g} s" if size == FULL else ""
    rows: list[Row] = [(f"{n} x {channels}: file to ZIP", total, "s", target)]
    rows += [(f"  {name}", seconds, "s", f"{100 * seconds / total:.0f} %") for name, seconds in times.items()]
    note = f"before the chain {before:.0f} MB" + (f", target {TARGET_MB:g} MB" if size == FULL else "")
    return [*rows, (f"{n} x {channels}: peak memory", peak_mb(), "MB", note)]


def run(*, full: bool = True) -> list[Row]:
    """All rows (name, value, unit, note)."""
    with tempfile.TemporaryDirectory(prefix="ephemera-bench-") as name:
        folder = Path(name)
        long_folder = folder / "long"
        long_folder.mkdir()
        return [*layouts(folder), *long_observation(long_folder, FULL if full else QUICK)]


if __name__ == "__main__":
    for label, value, unit, note in run(full="--quick" not in sys.argv):
        sys.stdout.write(f"{label:<48} {value:10.3f} {unit:<4} {note}\n")
