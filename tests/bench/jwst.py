"""Times of the JWST branch: readers beside their plain twins, and a long observation from file to ZIP.

python tests/bench/jwst.py            a long observation of 2,000 x 400
python tests/bench/jwst.py --full     10,000 x 2,000, with its peak memory
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ephemera.config.jwst import Jwst
from ephemera.job import namespace
from ephemera.jwst import bundle, figures, pages, read, scan, series, video
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


def job(recipe: dict, inputs: dict, outputs: dict, unit: str, threads: int = 2) -> SimpleNamespace:
    """A job as the workflow would give it to a step."""
    return SimpleNamespace(
        input=SimpleNamespace(**inputs),
        output=SimpleNamespace(**outputs),
        settings=namespace(recipe["parameters"]),
        wildcards=SimpleNamespace(dataset=unit),
        recipe=recipe,
        threads=threads,
        log=None,
    )


def chain(folder: Path, source: Path) -> dict[str, float]:
    """All steps of one dataset, one after the other, with the time of each."""
    options = Jwst.model_validate({"series": {"bands": BANDS}})
    unit, times = "long", {}
    (folder / "source.json").write_text(json.dumps({"unit": unit, "kind": "folder", "location": str(source)}))
    f = {
        name: folder / name
        for name in (
            "manifest",
            "series.h5",
            "bad.ecsv",
            "read.json",
            "products",
            "analysis.h5",
            "figures",
            "video",
            "pages",
            "bundle",
        )
    }
    steps = [
        ("scan", scan.main, {"source": folder / "source.json"}, {"manifest": f["manifest"]}),
        (
            "read",
            read.main,
            {"manifest": f["manifest"]},
            {"series": f["series.h5"], "bad_inputs": f["bad.ecsv"], "summary": f["read.json"]},
        ),
        (
            "series",
            series.main,
            {"series": f["series.h5"], "bad_inputs": f["bad.ecsv"], "summary": f["read.json"]},
            {"products": f["products"], "analysis": f["analysis.h5"]},
        ),
        (
            "figures",
            figures.main,
            {"series": f["series.h5"], "analysis": f["analysis.h5"]},
            {"figures": f["figures"]},
        ),
        (
            "video",
            video.main,
            {"series": f["series.h5"], "analysis": f["analysis.h5"]},
            {"video": f["video"]},
        ),
        (
            "pages",
            pages.main,
            {
                "series": f["series.h5"],
                "analysis": f["analysis.h5"],
                "video": f["video"],
                "bad_inputs": f["bad.ecsv"],
            },
            {"pages": f["pages"]},
        ),
        (
            "bundle",
            bundle.main,
            {
                "manifest": f["manifest"],
                "products": f["products"],
                "figures": f["figures"],
                "video": f["video"],
                "pages": f["pages"],
            },
            {"bundle": f["bundle"]},
        ),
    ]
    for name, main, inputs, outputs in steps:
        section = getattr(options, name, None)
        parameters = {**(section.settings() if section else {}), "visit_gap_hours": 0.5}
        recipe = {"parameters": parameters, "key": "bench", "reads": {}, "code": {"digest": ""}}
        start = time.perf_counter()
        main(job(recipe, inputs, outputs, unit))
        times[name] = time.perf_counter() - start
    return times


def long_observation(folder: Path, size: tuple[int, int]) -> list[Row]:
    """A product of the new layout from file to ZIP: total, shares, peak memory."""
    n, channels = size
    scenario = Scenario(
        n_integrations=n, cadence_s=8.0, detectors=(("NIS", 1, 0.85, 2.8, channels),), t0_hours=n / 900
    )
    simulate(folder / "source", scenario)
    before = peak_mb()
    times = chain(folder, folder / "source")
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
