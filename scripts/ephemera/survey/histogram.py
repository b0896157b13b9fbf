"""Count the scores of a batch in additive histograms.

Reads the tables epoch and curve of a batch and the magnitudes of its sources. Three sets: all_scores (every
epoch), good_scores (qflag false), quality_values; in each, counts + underflow + overflow + unknown are
the epochs fed in. `add` joins histograms of different batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from ephemera.survey.columns import EPOCH
from ephemera.survey.histogram_arrays import MICROSECONDS, Histogram, add, cells_of, count, places_of
from ephemera.survey.histogram_axes import ClosedAxis, OpenAxis, TextAxis
from ephemera.survey.histogram_files import load, save
from ephemera.survey.parquet_tables import read_table

if TYPE_CHECKING:
    from ephemera.config.survey import Histogram as Settings
    from ephemera.job import Job

__all__ = ["Histogram", "add", "histogram_of", "load", "save"]

FloatArray = npt.NDArray[np.float64]


def closed(name: str, axis: Any, unit: str = "") -> ClosedAxis:
    """An axis of the options: bins start, start + step, ... up to stop."""
    return ClosedAxis(name, axis.start, axis.step, round((axis.stop - axis.start) / axis.step) + 1, unit)


def histogram_of(
    epochs: dict[str, npt.NDArray[Any]],
    curve: npt.NDArray[np.int64],
    exptime: FloatArray,
    filters: Sequence[str] | npt.NDArray[Any],
    mag: FloatArray,
    sources: Sequence[str],
    settings: Settings,
    quality: Sequence[str] = ("offset",),
) -> Histogram:
    """Histogram of epochs given by columns snr, dmag, qflag, bad, live (s), of one length.

    `quality` names the columns of quality values; a column `score`, the finder's own, is counted where
    there is one. `curve` tells which light curve each epoch belongs to; `exptime` (s), `filters` and `mag`
    (of the source) are those of the light curves; `sources` are those counted, also those without epochs.
    """
    labels, filter_number = np.unique(np.asarray(filters, str), return_inverse=True)
    k = np.floor((exptime - settings.exptime_start) / settings.exptime_step + 0.5).astype(np.int64)
    numbers, time_number = np.unique(k, return_inverse=True)
    frame = Histogram(
        closed("mag", settings.mag, "mag"),
        OpenAxis(
            "exptime", settings.exptime_start, settings.exptime_step, tuple(int(v) for v in numbers), "s"
        ),
        TextAxis("filter", tuple(str(label) for label in labels)),
    )
    good = ~epochs["qflag"].astype(bool)
    axes = {"snr": closed("snr", settings.snr), "dmag": closed("dmag", settings.dmag, "mag")}
    if "score" in epochs:
        axes["score"] = closed("score", settings.snr)
    axes |= {name: closed(name, settings.quality) for name in quality}
    cells = cells_of(frame, mag, time_number, filter_number)[curve]
    scores = {}
    for name, axis in axes.items():
        places = places_of(axis, frame, epochs[name], cells)
        if name in quality:
            scores["quality_values", name] = count(axis, frame, places, settings.dtype)
            continue
        scores["all_scores", name] = count(axis, frame, places, settings.dtype)
        scores["good_scores", name] = count(axis, frame, places[good], settings.dtype)
    exposure = _exposure(frame, epochs, curve, mag, filter_number)
    return Histogram(frame.mag, frame.exptime, frame.filter, scores, exposure, tuple(sorted(sources)))


def _exposure(
    frame: Histogram,
    epochs: dict[str, npt.NDArray[Any]],
    curve: npt.NDArray[np.int64],
    mag: FloatArray,
    filters: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Live time of usable epochs, whole microseconds (mag, filter); sources beyond the axis are left out."""
    live = np.round(epochs["live"].astype(np.float64) * MICROSECONDS).astype(np.int64)
    live[epochs["bad"].astype(bool)] = 0
    of_curve = np.zeros(len(mag), np.int64)
    np.add.at(of_curve, curve, live)
    bright = frame.mag.bins(mag)
    inside = bright >= 0
    total = np.zeros((frame.mag.n, len(frame.filter.labels)), np.int64)
    np.add.at(total, (bright[inside], filters[inside]), of_curve[inside])
    return total


def main(job: Job) -> None:
    """Count one batch of one survey."""
    curves = read_table(job.input.curves, ["curve_id", "source", "filter", "exptime"])
    mags = {row["name"]: row["mag"] for row in read_table(job.input.batch, ["name", "mag"]).to_pylist()}
    schema = pq.read_schema(job.input.epochs)
    quality = ["offset", *(name for name in schema.names if name not in EPOCH.names)]
    names = ["curve_id", "snr", "dmag", "qflag", "bad", "live", *quality]
    if (schema.metadata or {}).get(b"finder", b"runs") != b"runs":
        names.append("score")
    table = read_table(job.input.epochs, names)
    place = {name: k for k, name in enumerate(curves["curve_id"].to_pylist())}
    encoded = table["curve_id"].combine_chunks().dictionary_encode()
    at = np.array([place[name] for name in encoded.dictionary.to_pylist()], np.int64)
    number = at[encoded.indices.to_numpy()] if len(table) else np.zeros(0, np.int64)
    filters = np.asarray(curves["filter"].to_pylist(), str)
    of_curve = [mags.get(source) for source in curves["source"].to_pylist()]
    magnitude = np.array([np.nan if m is None else m for m in of_curve], np.float64)
    exptime = curves["exptime"].fill_null(float("nan")).to_numpy()
    exptime = np.where(np.isfinite(exptime), exptime, job.settings.exptime_start)
    epochs = {name: table[name].to_numpy(zero_copy_only=False) for name in names[1:]}
    survey = job.wildcards.survey
    histogram = histogram_of(
        epochs,
        number,
        exptime,
        filters,
        magnitude,
        [f"{name}:{survey}" for name in mags],
        job.settings,
        quality,
    )
    save(histogram, job.output.histogram)
