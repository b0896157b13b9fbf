"""Speed of the survey branch beside readable twins in the same run, and feets where it is installed."""

from __future__ import annotations

import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.config.survey import Catalogue, Histogram
from ephemera.job import namespace
from ephemera.survey.catalogue import load
from ephemera.survey.curve_files import read_photometry, write_curves
from ephemera.survey.describing import NAMES, Extractor, feature_table
from ephemera.survey.histogram import histogram_of
from ephemera.survey.judging import Search, search_curve
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.nearest import Sky
from ephemera.survey.own_features import asymmetry, autocorrelation, in_parts, lay_out, own_numbers, stetson_j
from ephemera.survey.parquet_tables import write_table
from ephemera.survey.periods import Series, frequencies, periodogram, periodogram_by_astropy
from ephemera.survey.robust import robust_mean_rms
from ephemera.survey.store import raw_files

EPOCHS, CURVES, SOURCES = 1000, 200, 1_300_000


def best_of(action: Callable[[], Any], times: int = 3) -> float:
    """Shortest time of some repeats, s."""
    shortest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        action()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def curves() -> list[LightCurve]:
    """Light curves with positions and a few flagged epochs."""
    rng = np.random.default_rng(1)
    made = []
    for number in range(CURVES):
        flux = 100 + rng.normal(size=EPOCHS)
        flux[rng.integers(EPOCHS)] += 8
        made.append(
            LightCurve(
                source=str(number),
                survey="DEMO",
                object_id="1",
                filter="R",
                season=1,
                season_of=1,
                flux_unit="uJy",
                zero_point=23.9,
                mjd=58000 + np.sort(rng.uniform(0, 300, EPOCHS)),
                flux=flux,
                flux_err=np.ones(EPOCHS),
                flag=np.zeros(EPOCHS, np.int64),
                bad=rng.random(EPOCHS) < 0.03,
                live=np.full(EPOCHS, 30.0),
                exptime=30.0,
                x=10 + rng.normal(scale=1e-4, size=EPOCHS),
                y=20 + rng.normal(scale=1e-4, size=EPOCHS),
                position="sky",
            )
        )
    return made


def twin_of_search(curve: LightCurve, threshold: float = 5.0, level: float = 3.0) -> list[list[int]]:
    """Scores and events of one light curve, in NumPy as one writes it down, epoch by epoch."""
    usable = ~curve.bad & np.isfinite(curve.flux)
    values = np.where(usable, curve.flux, np.nan)
    centre, scatter = np.nanmedian(values), np.nanstd(values)
    for _ in range(3):
        values = np.where(np.abs(values - centre) <= 3 * scatter, values, np.nan)
        centre, scatter = np.nanmean(values), np.nanstd(values)
    snr = (curve.flux - centre) / np.fmax(curve.flux_err, scatter)
    dx, dy = curve.x - np.nanmedian(curve.x[usable]), curve.y - np.nanmedian(curve.y[usable])
    offset = np.hypot(dx * np.cos(np.radians(20)), dy)
    middle = np.nanmedian(offset[usable])
    z = (offset - middle) / np.nanmedian(np.abs(offset[usable] - middle))
    assert np.isfinite(z).all()
    found = []
    for sign in (1, -1):
        run: list[int] = []
        for row in [*np.flatnonzero(usable), -1]:
            if row >= 0 and sign * snr[row] >= level:
                run.append(int(row))
                continue
            if run and max(sign * snr[r] for r in run) >= threshold:
                found.append(run)
            run = []
    return sorted(found)


def bench_search() -> list[tuple[str, float, str, str]]:
    """Quality and finder, beside the twin, which must find the same."""
    made, search = curves(), Search()
    fast = CURVES / best_of(lambda: [search_curve(curve, search) for curve in made])
    slow = CURVES / best_of(lambda: [twin_of_search(curve) for curve in made], 1)
    for curve in made[:50]:
        events = [event.rows.tolist() for event in search_curve(curve, search).events]
        assert events == twin_of_search(curve)
    clip = best_of(lambda: [robust_mean_rms(c.flux, c.usable) for c in made]) / CURVES * 1e6
    return [
        ("survey: quality and finder", fast, "curves/s", f"of {EPOCHS} epochs; wanted 2000"),
        ("survey: the same, NumPy twin", slow, "curves/s", f"ratio {fast / slow:.1f}"),
        ("survey: clipped mean and scatter", clip, "us", f"of {EPOCHS} epochs"),
    ]


def bench_features() -> list[tuple[str, float, str, str]]:
    """28 features by light-curve and by feets, where they are installed; our own; all of it with files."""
    made = curves() * 5  # what a batch of 200 sources has with five light curves each
    n = len(made)
    parts = [lay_out(made[part]) for part in in_parts([len(c) for c in made])]
    plain = [curve for part in parts for curve in part.curves()]
    extractor = Extractor()
    rows = []
    if extractor.version is not None:
        each = best_of(lambda: extractor.many(plain)) / n
        note = f"{len(NAMES)} columns, light-curve {extractor.version}"
        rows.append(("survey: features, library", 1 / each, "curves/s", note))
    signs: list[list[int]] = [[]] * n
    together = best_of(lambda: feature_table(made, signs, extractor)) / n
    alone = best_of(lambda: [own_numbers(part) for part in parts]) / n
    twin = best_of(lambda: [(stetson_j(p), autocorrelation(p.flux), asymmetry(p.flux)) for p in plain]) / n
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder, "curves.parquet"), Path(folder, "features.parquet")
        write_curves(made, path)

        def step() -> None:
            write_table(feature_table(read_photometry(path), signs, extractor), "features", out)

        files = best_of(step) / n
    rows.append(("survey: features, all", 1 / together, "curves/s", "library and our own"))
    rows.append(("survey: features, file to file", 1 / files, "curves/s", "the same, read and written"))
    if extractor.version is not None:
        note = "wanted 0.65: 8000 with files where the library alone does 12,300"
        rows.append(("survey: features, file to file / library", rows[0][1] ** -1 / files, "", note))
    rows.append(
        ("survey: features, our own", 1 / alone, "curves/s", f"ratio to one by one {twin / alone:.1f}")
    )
    if importlib.util.find_spec("feets") is not None:
        import feets

        space = feets.FeatureSpace(
            data=["time", "magnitude", "error"],
            only=["Amplitude", "Skew", "Std", "Mean"],
            dask_options={"scheduler": "synchronous"},
        )

        def by_feets() -> None:
            for p in plain[:5]:
                space.extract(time=p.time, magnitude=p.flux, error=p.error)

        each = best_of(by_feets, 1) / 5
        rows.append(("survey: features, feets", 1 / each, "curves/s", "4 columns only"))
    else:
        rows.append(("survey: features, feets", float("nan"), "curves/s", "feets is not installed"))
    return rows


def bench_periods() -> list[tuple[str, float, str, str]]:
    """Lomb-Scargle of one light curve of 1000 epochs on 5000 frequencies."""
    curve = curves()[0]
    series = Series(curve.mjd, curve.flux, curve.flux_err)
    frequency = frequencies(300.0, 0.6, 1e6)
    each = best_of(lambda: periodogram(series, frequency), 20)
    ratio = best_of(lambda: periodogram_by_astropy(series, frequency), 10) / each
    note = f"{EPOCHS} epochs, {len(frequency)} frequencies; ratio to astropy {ratio:.1f}"
    return [("survey: Lomb-Scargle", each * 1e3, "ms", note)]


def bench_catalogue() -> list[tuple[str, float, str, str]]:
    """1.3 million sources read from Parquet, and matched to themselves."""
    rng = np.random.default_rng(2)
    names = rng.permutation(SOURCES) + 3_222_350_478_553_854_464
    ra, dec = rng.uniform(0, 360, SOURCES), np.degrees(np.arcsin(rng.uniform(-1, 1, SOURCES)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.parquet")
        pq.write_table(pa.table({"name": names, "ra": ra, "dec": dec, "mag": ra / 20}), path)
        settings: Any = Catalogue(file=str(path))
        reading = best_of(lambda: load(path, settings), 1)

    def match() -> None:
        rows, _ = Sky(ra, dec).nearest(ra, dec, 2.0)
        assert np.array_equal(rows, np.arange(SOURCES))

    return [
        ("survey: catalogue of 1.3 million read", reading, "s", "wanted 3"),
        ("survey: matched to itself at 2 arcsec", best_of(match, 1), "s", "wanted 10"),
    ]


def bench_histogram() -> list[tuple[str, float, str, str]]:
    """A million epochs counted in five histograms."""
    n = 1_000_000
    rng = np.random.default_rng(3)
    epochs: dict[str, Any] = {k: rng.normal(scale=5, size=n) for k in ("snr", "dmag", "offset")}
    epochs |= {"qflag": rng.random(n) < 0.1, "bad": rng.random(n) < 0.05, "live": np.full(n, 30.0)}
    curve = np.arange(n) // EPOCHS
    made = n // EPOCHS
    filters, mag = rng.choice(["g", "r"], made), rng.uniform(15, 21, made)
    settings: Any = namespace(Histogram().settings())
    each = best_of(lambda: histogram_of(epochs, curve, np.full(made, 30.0), filters, mag, ["a"], settings))
    return [("survey: histograms of a million epochs", each, "s", "five scores; wanted 0.3")]


def bench_store() -> list[tuple[str, float, str, str]]:
    """10,000 small raw files listed."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(10_000):
            path = Path(folder, "ZTF", f"RA{number % 360:03d}", f"ZTF_photometry_{number}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        each = best_of(lambda: list(raw_files(Path(folder), "ZTF")))
    return [("survey: 10,000 raw files listed", each, "s", "wanted 1")]


def run() -> list[tuple[str, float, str, str]]:
    """All measurements: name, value, unit, note."""
    parts = (bench_search, bench_features, bench_periods, bench_catalogue, bench_histogram, bench_store)
    return [row for part in parts for row in part()]


if __name__ == "__main__":
    for name, value, unit, note in run():
        print(f"{name:45s} {value:12.4g} {unit:9s} {note}")  # noqa: T201
