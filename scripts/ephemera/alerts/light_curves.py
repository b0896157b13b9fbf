"""Light curves that a simulated survey draws from: OGLE, PyTables, CSV, the fake source, invented ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.tables import numbers
from ephemera.tables.foreign import CatalogueError, degrees, read_all, read_columns

FloatArray = npt.NDArray[np.float64]

#: The fake source of the teaching notebook.
FAKE_ID, FAKE_RA, FAKE_DEC = "999999", 220.3020406, 0.8037915
#: What stands for a fake source of our own, where a file could be named.
INVENTED = "invented"
#: When the invented one erupts, d after the start: before the eighth epoch of the default clock.
ERUPTION = 14.3


@dataclass(frozen=True)
class Curve:
    """Magnitudes of one band in time order; `error` in mag."""

    time: FloatArray
    mag: FloatArray
    error: FloatArray


@dataclass(frozen=True)
class Source:
    """A source with its true position (degrees), class, curves by band, and whether it is injected.

    `motion` is its proper motion, arcsec per day along RA cos dec and dec; `zero` the time of the curves at
    which the survey starts, where that is not their first point; `as_filed` the points in the order of the
    file, where that is not in time and someone wants to interpolate them so.
    """

    source_id: str
    label: str
    ra: float
    dec: float
    curves: Mapping[str, Curve]
    injected: bool = False
    motion: tuple[float, float] = (0.0, 0.0)
    zero: float | None = None
    as_filed: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def start(self) -> float:
        """Time of the curves at which the survey starts: `zero`, else that of the first point in any band."""
        if self.zero is not None:
            return self.zero
        return min(float(curve.time[0]) for curve in self.curves.values())


def curve(time: npt.ArrayLike, mag: npt.ArrayLike, error: npt.ArrayLike) -> Curve:
    """A curve sorted in time, with points at equal times averaged."""
    t, m, e = (np.asarray(part, float) for part in (time, mag, error))
    good = np.isfinite(t) & np.isfinite(m)
    unique, place = np.unique(t[good], return_inverse=True)
    number = np.bincount(place, minlength=len(unique))
    averaged = [np.bincount(place, np.nan_to_num(x[good]), minlength=len(unique)) / number for x in (m, e)]
    return Curve(unique, *averaged)


def read_fake(path: Path) -> Source:
    """The notebook's fake source, or another in a table of its form: columns t, V, I, by any name."""
    table = read_all(path)
    if table.num_columns < 3:
        message = f"{path}: the columns must be t, V, I, got {', '.join(table.column_names)}"
        raise CatalogueError(message)
    time, visual, infrared = (numbers(table, name) for name in table.column_names[:3])
    nothing = np.zeros(len(table))
    as_filed = {"V": Curve(time, visual, nothing), "I": Curve(time, infrared, nothing)}
    curves = {band: curve(one.time, one.mag, nothing) for band, one in as_filed.items()}
    return Source(FAKE_ID, "fake", FAKE_RA, FAKE_DEC, curves, injected=True, zero=0.0, as_filed=as_filed)


def invented_fake() -> Source:
    """A fake source of our own: it erupts once, by 3.4 mag in V and 2.2 mag in I, and fades in days."""
    time = np.arange(0.0, 40.0, 0.1)
    since = np.maximum(time - ERUPTION, 0.0)
    risen = np.where(time < ERUPTION, 0.0, np.exp(-since / 3.0))
    ripple = 0.2 * np.sin(2 * np.pi * time / 9.0)
    nothing = np.zeros(len(time))
    curves = {
        band: Curve(time, quiet + ripple - height * risen, nothing)
        for band, quiet, height in (("V", 19.4, 3.7), ("I", 20.0, 2.3))
    }
    return Source(FAKE_ID, "fake", FAKE_RA, FAKE_DEC, curves, injected=True, zero=0.0)


def _position(path: Path, name: str, ra: str, dec: str) -> tuple[float, float]:
    """Degrees of hh:mm:ss.s and dd:mm:ss.s. Raises ValueError that names file and source."""
    place = (float(degrees(pa.array([ra]), hours=True)[0]), float(degrees(pa.array([dec]), hours=False)[0]))
    if not np.isfinite(place).all():
        message = f"{path}: the position of {name} must be hh:mm:ss.s, dd:mm:ss.s, got {ra!r}, {dec!r}"
        raise ValueError(message)
    return place


def read_ogle(folder: Path, limit: int | None = None) -> list[Source]:
    """OGLE Cepheids: `ident.dat`, `phot/V` and `phot/I` with three columns (HJD - 2450000, mag, error)."""
    sources = []
    files = {band: {p.stem: p for p in (folder / "phot" / band).glob("*.dat")} for band in "VI"}
    for line in (folder / "ident.dat").read_text().splitlines():
        name, mode, ra, dec = line[:17].strip(), line[18:26].strip(), line[28:39], line[40:51]
        paths = {band: found[name] for band, found in files.items() if name in found}
        if not paths:
            continue
        curves = {band: curve(*np.loadtxt(path, ndmin=2).T[:3]) for band, path in sorted(paths.items())}
        sources.append(Source(name, f"cepheid {mode}", *_position(folder, name, ra, dec), curves))
        if limit is not None and len(sources) >= limit:
            break
    return sources


def read_pytables(path: Path) -> list[Source]:
    """The notebook's PyTables file: `/root_table1` and `/lcurves/subgroup_table1`."""
    import h5py

    with h5py.File(path) as handle:
        root, points = handle["root_table1"][...], handle["lcurves/subgroup_table1"][...]
    number, bands = points["LC_ID"], np.array([_text(b) for b in points["passband"]])
    sources = []
    for row in root:
        curves = {}
        for band in sorted(set(bands[number == row["LC_ID"]].tolist())):
            mine = points[(number == row["LC_ID"]) & (bands == band)]
            curves[band] = curve(mine["mjd"], mine["mag"], mine["mag_err"])
        if curves:
            name, label, ra, dec = (_text(row[key]) for key in ("ID", "Classification", "RA", "DEC"))
            sources.append(Source(name, label, *_position(path, name, ra, dec), curves))
    return sources


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_table(path: Path) -> list[Source]:
    """A table with columns source, ra, dec, band, time, mag, err and, if there, label.

    Survey tables (Parquet) call time and err mjd and mag_err. Raises CatalogueError, which names what lacks.
    """
    time, err = ("mjd", "mag_err") if path.suffix == ".parquet" else ("time", "err")
    names = ["source", "ra", "dec", "band", time, "mag", err, "label"]
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in read_columns(path, names, optional=frozenset({"label"})).to_pylist():
        rows.setdefault(str(row["source"]), []).append(row)
    sources = []
    for name, mine in rows.items():
        curves = {}
        for band in sorted({str(row["band"]) for row in mine}):
            points = [[row[c] for c in (time, "mag", err)] for row in mine if str(row["band"]) == band]
            curves[band] = curve(*np.array(points, float).T)
        first = mine[0]
        label = str(first.get("label") or "unknown")
        sources.append(Source(name, label, float(first["ra"]), float(first["dec"]), curves))
    return sources


def read_sources(path: Path) -> list[Source]:
    """Sources of any of the known forms, by folder and suffix. Raises ValueError for another."""
    if path.is_dir():
        return read_ogle(path)
    readers = {".h5": read_pytables, ".hdf5": read_pytables, ".parquet": read_table, ".csv": read_table}
    if path.suffix not in readers:
        message = f"light curves {path}: a folder of OGLE, or a file ending in {', '.join(readers)}"
        raise ValueError(message)
    return readers[path.suffix](path)


def invented_cepheids(number: int, generator: np.random.Generator, span_d: float = 80.0) -> list[Source]:
    """Cepheids with sawtooth curves, at least 66 arcsec apart, in a field of a degree near the south."""
    side = int(np.ceil(np.sqrt(number)))
    sources = []
    for k in range(number):
        period, phase = float(generator.uniform(1.5, 12.0)), float(generator.uniform())
        amplitude, mean = float(generator.uniform(0.3, 1.1)), float(generator.uniform(15.0, 17.5))
        dec = -69.5 + (k // side) * (1.0 / side) + float(generator.uniform(0, 0.2 / side))
        ra = 80.0 + (k % side) * (3.0 / side)
        time = np.arange(0.0, span_d, 0.2)
        saw = (time / period + phase) % 1.0
        shape = np.where(saw < 0.25, 1 - saw / 0.25, (saw - 0.25) / 0.75) - 0.5
        curves = {
            band: Curve(time, mean + colour + size * amplitude * shape, np.full(len(time), 0.02))
            for band, colour, size in (("I", -0.7, 0.6), ("V", 0.0, 1.0))
        }
        sources.append(Source(f"cepheid-{k + 1:03d}", "cepheid F", ra, dec, curves))
    return sources


def injected(
    counts: Mapping[str, int], generator: np.random.Generator, bands: Iterable[str], span_d: float
) -> list[Source]:
    """Sources of the classes that can be injected, at random times, in a field of their own."""
    shapes: dict[str, Callable[[FloatArray], FloatArray]] = {
        "nova": lambda x: np.where(x < 0, np.inf, 12.0 + 0.25 * x),
        "supernova": lambda x: np.where(x < -15, np.inf, 18.0 + (x / 15) ** 2 * np.where(x < 0, 2.5, 0.8)),
        "microlensing": lambda x: 18.5 - 2.5 * np.log10(_magnification(x / 6.0, 0.05)),
        "dip": lambda x: 15.0 + 3.5 * np.exp(-0.5 * (x / 1.5) ** 4),
        "flare": lambda x: 19.5 - 4.5 * np.where(x < 0, 0.0, np.exp(-np.maximum(x, 0) / 0.4)),
        "moving": lambda x: np.full_like(x, 18.0),
    }
    time = np.arange(0.0, span_d, 0.05)
    sources = []
    for label in sorted(counts):
        for k in range(counts[label]):
            peak = float(generator.uniform(0.25, 0.7)) * span_d
            mag = np.clip(shapes[label](time - peak), None, 25.0)
            ra, dec = 150.0 + float(generator.uniform(0, 5)), 2.0 + float(generator.uniform(0, 5))
            error = np.full(len(time), 0.03)
            curves = {band: Curve(time, mag + 0.3 * n, error) for n, band in enumerate(bands)}
            motion = (float(generator.uniform(1500, 3000)), 400.0) if label == "moving" else (0.0, 0.0)
            sources.append(
                Source(f"{label}-{k + 1}", label, ra, dec, curves, injected=True, motion=motion, zero=0.0)
            )
    return sources


def _magnification(time: FloatArray, impact: float) -> FloatArray:
    """Paczynski's magnification of a point lens: (u^2 + 2) / (u sqrt(u^2 + 4))."""
    u = np.hypot(time, impact)
    return np.asarray((u**2 + 2) / (u * np.sqrt(u**2 + 4)), float)
