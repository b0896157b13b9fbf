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
from ephemera.survey.histogram_arrays import MICROSECONDS, Histogram, add, count
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
    exptime: FloatArray,
    filters: Sequence[str] | npt.NDArray[Any],
    mag: FloatArray,
    sources: Sequence[str],
    settings: Settings,
    quality: Sequence[str] = ("offset",),
) -> Histogram:
    """Histogram of epochs given by columns snr, dmag, qflag, bad, live (s), of one length.

    `quality` names the columns of quality values; a column `score`, the finder's own, is counted where
    there is one. `exptime` (s), `filters` and `mag` (of the source) belong to each epoch; `sources` are those
    counted, also those without epochs.
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
    everything = np.ones(len(good), bool)
    axes = {"snr": closed("snr", settings.snr), "dmag": closed("dmag", settings.dmag, "mag")}
    if "score" in epochs:
        axes["score"] = closed("score", settings.snr)
    wanted = [("all_scores", axis, name, everything) for name, axis in axes.items()]
    wanted += [("good_scores", axis, name, good) for name, axis in axes.items()]
    wanted += [("quality_values", closed(name, settings.quality), name, everything) for name in quality]
    scores = {}
    for kind, axis, name, which in wanted:
        values = epochs[name].astype(np.float64)[which]
        scores[kind, axis.name] = count(
            axis, frame, values, mag[which], time_number[which], filter_number[which], settings.dtype
        )
    exposure = _exposure(frame, epochs, mag, filter_number)
    return Histogram(frame.mag, frame.exptime, frame.filter, scores, exposure, tuple(sorted(sources)))


def _exposure(
    frame: Histogram, epochs: dict[str, npt.NDArray[Any]], mag: FloatArray, filters: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Live time of usable epochs, whole microseconds (mag, filter); sources beyond the axis are left out."""
    bright = frame.mag.bins(mag)
    use = ~epochs["bad"].astype(bool) & (bright >= 0)
    total = np.zeros((frame.mag.n, len(frame.filter.labels)), np.int64)
    live = np.round(epochs["live"].astype(np.float64) * MICROSECONDS).astype(np.int64)
    np.add.at(total, (bright[use], filters[use]), live[use])
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
        exptime[number],
        filters[number],
        magnitude[number],
        [f"{name}:{survey}" for name in mags],
        job.settings,
        quality,
    )
    save(histogram, job.output.histogram)
