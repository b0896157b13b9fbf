"""Speed of the branch of hits and stamps: 60 stamps of 25 antennas (201 MB), a million hits.

Reading, antenna powers and SNR are timed beside a plain reading of the same file with pycapnp, which makes a
Python number of every voltage, in the same run and from the page cache; both give the same SNR.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

Row = tuple[str, float, str, str]

SHAPE = (16, 524, 2, 25)
N_STAMPS, N_PLAIN, N_HITS = 60, 3, 1_000_000
MEGABYTES = N_STAMPS * 8 * np.prod(SHAPE) / 1e6
FIELDS = {
    "sourceName": "BENCH",
    "ra": 8.6,
    "dec": -0.7,
    "fch1": 24150.2,
    "foff": 1.9e-6,
    "tstart": 1702816003.4,
    "tsamp": 0.524288,
    "startChannel": 1000,
    "coarseChannel": 0,
    "schan": 0,
    "obsid": "Unknown",
}
SIGNAL = {
    "frequency": 24150.2 + 262 * 1.9e-6,
    "index": 1262,
    "driftSteps": 3,
    "snr": 20.0,
    "numTimesteps": 16,
}
SETTINGS = SimpleNamespace(
    edge_columns=20, snr_min=6.0, antenna_snr=5.0, single_frac=0.5, few_antennas=0.2, gain_index_min=0.5
)


def run() -> list[Row]:
    """Rows of name, value, unit, note."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.stamps"
        _write(path, Path(folder) / "bench.bfr5")
        rows = _in_child("--stamps", path)
        rows += _in_child("--memory", path)
        path.unlink()
        return rows + _hits(Path(folder)) + _filters()


def _in_child(what: str, path: Path) -> list[Row]:
    """Run a part in a process of its own, with one thread, as a job of the workflow has."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        [sys.executable, __file__, what, str(path)], capture_output=True, text=True, env=environment
    )
    if answer.returncode:
        raise RuntimeError(answer.stderr)
    rows = []
    for line in answer.stdout.splitlines():
        name, value, unit, note = line.split("\t")
        rows.append((name, float(value), unit, note))
    return rows


def _stamps(path: Path) -> list[Row]:
    return _reading(path) + _products(path, path.with_suffix(".bfr5")) + _figures(path)


def _write(path: Path, recipe: Path) -> None:
    from ephemera.cosmic.metadata import step_hz_s
    from ephemera.cosmic.simulate_array import make_array, write_recipe
    from ephemera.cosmic.simulate_messages import stamp_message
    from ephemera.cosmic.simulate_signals import noise

    rng = np.random.default_rng(1)
    array = make_array(rng, first=FIELDS["tstart"] - 1, last=FIELDS["tstart"] + 60)
    write_recipe(recipe, array, "Unknown")
    signal = {**SIGNAL, "driftRate": 3 * step_hz_s(FIELDS["foff"], FIELDS["tsamp"], 16)}
    with path.open("wb") as handle:
        for _ in range(N_STAMPS):
            handle.write(stamp_message(FIELDS, signal, noise(rng, SHAPE)))


def _reading(path: Path) -> list[Row]:
    from ephemera.cosmic.frames import index_frames
    from ephemera.cosmic.stamp_messages import MappedFile, read_metadata

    path.read_bytes()  # into the page cache
    start = time.perf_counter()
    file = MappedFile(path)
    frames = index_frames(file.buffer).frames
    indexed = time.perf_counter()
    read_metadata(file.buffer, frames[0])  # the schema is read once
    first = time.perf_counter()
    for frame in frames:
        read_metadata(file.buffer, frame)
    described = time.perf_counter()
    # The best of a few tries on each side, in turn: other programs may use the machine too.
    tries = [(_fast(path), _plain(path, frames)) for _ in range(3)]
    (ours, _), (theirs, _) = tries[0]
    fast, plain = (min(pair[side][1] for pair in tries) for side in (0, 1))
    assert np.allclose(ours[:N_PLAIN], theirs, rtol=1e-3, atol=1e-3)
    ratio = (plain / N_PLAIN) / (fast / N_STAMPS)
    return [
        ("cosmic index of 60 stamps", 1e3 * (indexed - start), "ms", "50 at most"),
        ("cosmic metadata of 60 stamps", 1e3 * (described - first), "ms", "100 at most"),
        ("cosmic read + antenna powers + SNR", MEGABYTES / fast, "MB/s", "500 at least"),
        ("cosmic the same with plain pycapnp", MEGABYTES / N_STAMPS * N_PLAIN / plain, "MB/s", "3 stamps"),
        ("cosmic plain / here", ratio, "x", "20 at least; same SNR"),
    ]


def _fast(path: Path) -> tuple[np.ndarray, float]:
    from ephemera.cosmic.snr import measure
    from ephemera.cosmic.stamps import open_stamps

    start = time.perf_counter()
    found = [measure(stamp.antenna_powers(), stamp.path()).snr for stamp in open_stamps(path)]
    return np.array(found), time.perf_counter() - start


def _plain(path: Path, frames: object) -> tuple[np.ndarray, float]:
    """What a notebook would write: pycapnp's list, NumPy arrays, sums."""
    from ephemera.cosmic.drift import drift_path
    from ephemera.cosmic.schema import schema
    from ephemera.cosmic.snr import local_snr

    kind = schema("stamp").Stamp
    content = path.read_bytes()
    found = []
    start = time.perf_counter()
    for frame in frames[:N_PLAIN]:
        part = content[frame.offset : frame.offset + frame.size]
        with kind.from_bytes(part, traversal_limit_in_words=2**30) as stamp:
            shape = (stamp.numTimesteps, stamp.numChannels, stamp.numPolarizations, stamp.numAntennas, 2)
            values = np.array(stamp.data).reshape(shape)
            voltages = values[..., 0] + 1j * values[..., 1]
            path_of = stamp.signal.index - stamp.startChannel + drift_path(stamp.signal.driftSteps, shape[0])
            powers = [(np.abs(voltages[..., a]) ** 2).sum(axis=2) for a in range(shape[3])]
            found.append([local_snr(power, path_of) for power in powers])
    return np.array(found), time.perf_counter() - start


def _products(path: Path, recipe_path: Path) -> list[Row]:
    from ephemera.cosmic.recipe import Recipe
    from ephemera.cosmic.stamp_rows import Choice, describe
    from ephemera.cosmic.stamps import open_stamps

    recipe = Recipe(recipe_path)
    choice, times, beams = Choice(recipe, 7, "prefix"), [], []
    start = time.perf_counter()
    for stamp in open_stamps(path, recipe):
        before = time.perf_counter()
        describe(stamp, "id", choice, SETTINGS)
        times.append(time.perf_counter() - before)
    whole = time.perf_counter() - start
    for stamp, _ in zip(open_stamps(path, recipe), range(5), strict=False):
        before = time.perf_counter()
        stamp.beam(0)
        beams.append(time.perf_counter() - before)
    return [
        ("cosmic all numbers of one stamp", 1e3 * float(np.median(times)), "ms", "25 at most, 2 beams"),
        ("cosmic all numbers of 60 stamps", whole, "s", "3 at most"),
        ("cosmic image of one beam", 1e3 * float(np.median(beams)), "ms", "16 x 524 x 2 x 25"),
    ]


def _figures(path: Path) -> list[Row]:
    from ephemera.cosmic.stamp_figures import AntennaView, antennas, small_png
    from ephemera.cosmic.stamps import open_stamps
    from ephemera.figures.style import figure

    stamp = next(open_stamps(path))
    names, snr = [f"ant{k:02d}" for k in range(25)], np.arange(25.0)
    view = AntennaView(names, stamp.antenna_powers(), snr, snr.repeat(2).reshape(25, 2), 1.0, 5.0, np.eye(25))
    times = []
    for _ in range(4):
        start = time.perf_counter()
        with figure(2, height=7.0) as drawn:
            antennas(drawn, view, "Bench")
            small_png(drawn)
        times.append(time.perf_counter() - start)
    note = "25 tiles, bars, map, matrix; 0.4 at most"
    return [("cosmic figure of antennas", float(np.median(times[1:])), "s", note)]


def _memory(path: Path) -> list[Row]:
    from ephemera.cosmic.stamps import open_stamps

    for stamp in open_stamps(path):
        stamp.antenna_powers()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return [("cosmic peak memory, 201 MB file", int(kilobytes) / 1024, "MB", "250 at most, powers of all")]


def _hits(folder: Path) -> list[Row]:
    from ephemera.cosmic.hit_columns import HITS
    from ephemera.cosmic.hits import hit_table
    from ephemera.cosmic.simulate_messages import hit_message

    bank = {"sourceName": "BENCH", "fch1": 24150.2, "foff": 1.9e-6, "tsamp": 0.5, "numTimesteps": 16}
    messages = [hit_message({**SIGNAL, "index": k}, bank) for k in range(1000)]
    path = folder / "bench.hits"
    path.write_bytes(b"".join(messages) * (N_HITS // len(messages)))
    start = time.perf_counter()
    values, _ = hit_table(path, "bench")
    table = HITS.arrow(values)
    assert len(table) == N_HITS
    return [("cosmic table of 1e6 hits", time.perf_counter() - start, "s", "20 at most, one pass, no data")]


def _filters() -> list[Row]:
    from ephemera.cosmic.filters import (
        Filtered,
        apply_cuts,
        remove_copies,
        remove_many_beams,
        remove_repeats,
    )

    rng = np.random.default_rng(2)
    n = N_HITS
    hits = {
        "freq_mhz": rng.uniform(1000, 2000, n),
        "index": rng.integers(0, 500000, n).astype(float),
        "drift_steps": rng.integers(-50, 50, n).astype(float),
        "drift_rate_hz_s": rng.normal(0, 3, n),
        "snr": rng.exponential(10, n) + 8,
        "coarse_channel": rng.integers(0, 32, n).astype(float),
        "beam": rng.integers(0, 4, n).astype(float),
        "n_time": np.full(n, 16.0),
        "foff_hz": np.full(n, 1.9),
        "tstart_mjd": np.full(n, 60000.0),
        "tsamp_s": np.full(n, 0.5),
        "beam_kind": np.full(n, "coherent", object),
    }
    hits |= {name: np.full(n, np.nan) for name in ("power", "incoherent_power")}
    hits["fch1_mhz"] = hits["freq_mhz"] - 1e-4
    start = time.perf_counter()
    found = Filtered.start(n)
    remove_copies(hits, found)
    remove_repeats(hits, found, None)
    apply_cuts(hits, found, snr_min=8, drift_min=0.0, drift_max=None, drop_zero=True, bands=[])
    remove_many_beams(hits, found, n_beams=4, n_antennas=25, tolerance=10)
    return [("cosmic filters of 1e6 hits", time.perf_counter() - start, "s", "5 at most")]


if __name__ == "__main__":
    if sys.argv[1:]:
        part = {"--stamps": _stamps, "--memory": _memory}[sys.argv[1]]
        for row in part(Path(sys.argv[2])):
            sys.stdout.write("\t".join(map(str, row)) + "\n")
    else:
        for what, value, unit, note in run():
            sys.stdout.write(f"{what:50} {value:12.3f} {unit:6} {note}\n")
