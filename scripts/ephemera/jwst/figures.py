"""Pictures of light curves and quality, and the quality page: PNG and PDF for papers.

White light and bands with errors; time averaging beside the expectation for white noise, scatter and errors
over wavelength, and the map of masked cells.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.figures.style import COLOURS, SERIES, figure, margins, plain, save
from ephemera.jwst.analysis import Analysis, Store, read_analyses
from ephemera.jwst.bands import WHITE
from ephemera.jwst.cube import read_series_file
from ephemera.jwst.flags import Bit
from ephemera.jwst.observation import ByteArray, Series
from ephemera.jwst.options import settings_of
from ephemera.jwst.page_parts import lead
from ephemera.jwst.progress import Progress
from ephemera.jwst.visits import segments
from ephemera.pages import Heading, Markup, figure_tag, page, section, table

if TYPE_CHECKING:
    from ephemera.config.jwst import Figures as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Largest picture of the mask, cells; more points are drawn without error bars, many more as pixels in PDF.
MOST_CELLS, MOST_BARS, MOST_VECTORS = 700, 600, 2000
_MASK_COLOURS = ("#ffffff", "#0072B2", "#D55E00", "#E69F00", "#CC79A7", "#000000")
_MASK_BITS = (
    (Bit.NOT_FINITE | Bit.PADDING, "no value"),
    (Bit.DATA_QUALITY, "data quality"),
    (Bit.REDUCER, "reduction"),
    (Bit.OUTLIER, "outlier"),
    (Bit.USER, "user"),
)


def draw_light_curves(path: Path, store: Store, names: Sequence[str]) -> None:
    """Light curves `names` of all series, one panel a series and band, over hours."""
    panels = [(one, name) for one in store.analyses for name in names if name in one.curves]
    with figure(2, height=0.75 + 1.45 * max(len(panels), 1)) as drawn:
        grid = drawn.add_gridspec(max(len(panels), 1), 1, hspace=0.12, **margins(drawn, 0.75, 0.1, 0.45, 0.3))
        if not panels:
            axes = drawn.add_subplot(grid[0])
            axes.text(0.5, 0.5, "no bands were named", ha="center", va="center", transform=axes.transAxes)
            axes.set_axis_off()
        for number, (one, name) in enumerate(panels):
            axes = drawn.add_subplot(grid[number])
            _draw_curve(axes, one, name, SERIES[1:][number % 6])
            if number + 1 < len(panels):
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("Time since the first integration [h]")
        save(drawn, path)


def _draw_curve(axes: Any, one: Analysis, name: str, colour: str) -> None:
    curve = one.curves[name]
    percent, error = 100 * (curve.flux - 1), 100 * curve.error
    if len(percent) <= MOST_BARS and np.isfinite(error).any():
        axes.errorbar(one.hours, percent, error, fmt="none", ecolor=colour, alpha=0.3, lw=0.5)
    many = len(percent) > MOST_VECTORS
    for start, stop in segments(one.hours, one.ranges):
        axes.plot(
            one.hours[start:stop], percent[start:stop], ".-", ms=2, lw=0.4, color=colour, rasterized=many
        )
    if not one.baseline.all():
        axes.plot(
            one.hours[one.baseline],
            np.full(int(one.baseline.sum()), 0.02),
            "|",
            ms=3,
            color="#888888",
            transform=axes.get_xaxis_transform(),
        )
    known = percent[np.isfinite(percent)]
    if known.size:
        low, high = np.percentile(known, [0.2, 99.8])
        room = 0.2 * ((high - low) or 1.0)
        axes.set_ylim(low - room, high + room)
    axes.axhline(0, color="#888888", lw=0.5)
    axes.set_ylabel("Variability [%]")
    axes.set_title(plain(f"{one.name}, {'all channels' if name == WHITE else name}"), pad=3)


def draw_quality(path: Path, one: Analysis, series: Series) -> None:
    """Time averaging, scatter and error over wavelength, map of masked cells."""
    with figure(2, height=4.6) as drawn:
        grid = drawn.add_gridspec(2, 2, hspace=0.42, wspace=0.3, **margins(drawn, 0.65, 0.15, 0.45, 0.3))
        _time_averaging(drawn.add_subplot(grid[0, 0]), one)
        _scatter(drawn.add_subplot(grid[0, 1]), one)
        _mask_map(drawn.add_subplot(grid[1, :]), one, series)
        save(drawn, path)


def _time_averaging(axes: Any, one: Analysis) -> None:
    found = one.metrics.get("time_averaging")
    axes.set_title("Time averaging of the white light", pad=3)
    axes.set_xlabel("Integrations in a bin")
    axes.set_ylabel("rms [ppm]")
    if not found or not found["n"]:
        axes.text(0.5, 0.5, "too few integrations", ha="center", va="center", transform=axes.transAxes)
        return
    axes.loglog(
        found["n"],
        found["expected_ppm"],
        "--",
        color=COLOURS["expectation"],
        label=r"white noise, $1/\sqrt{n}$",
    )
    axes.loglog(
        found["n"],
        found["rms_ppm"],
        "o-",
        color=COLOURS["data"],
        label=f"measured, beta {one.metrics['beta']:.2f}",
    )
    axes.legend()


def _scatter(axes: Any, one: Analysis) -> None:
    axes.set_title("Scatter in time", pad=3)
    axes.plot(one.wavelength, 1e6 * one.channel.scatter, color=COLOURS["data"], label="scatter")
    axes.plot(
        one.wavelength,
        1e6 * one.channel.error,
        "--",
        color=COLOURS["expectation"],
        label="errors of the file",
    )
    if np.isfinite(one.channel.scatter).any() or np.isfinite(one.channel.error).any():
        axes.set_yscale("log")
    axes.set_xlabel("Wavelength [µm]")
    axes.set_ylabel("Relative [ppm]")
    axes.legend()


def _mask_map(axes: Any, one: Analysis, series: Series) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    part = series.part(one.channels, one.times)
    codes: ByteArray = np.zeros(part.mask.shape, np.uint8)
    for code, (bits, _) in enumerate(_MASK_BITS, 1):
        codes[(part.mask & np.uint8(bits)) > 0] = code
    rows, columns = (max(1, -(-int(n) // MOST_CELLS)) for n in part.mask.shape)
    shown = _block_maximum(codes, rows, columns)
    colours = ListedColormap(list(_MASK_COLOURS))
    axes.imshow(
        shown,
        aspect="auto",
        cmap=colours,
        norm=BoundaryNorm(np.arange(-0.5, 6), 6),
        extent=(
            0,
            codes.shape[1],
            one.wavelength[0],
            one.wavelength[-1] if len(one.wavelength) > 1 else one.wavelength[0] + 1e-3,
        ),
    )
    share = 100 * float((codes > 0).mean())
    axes.set_title(f"Masked cells, {share:.2f} %", pad=3)
    axes.set_xlabel("Integration")
    axes.set_ylabel("Wavelength [µm]")
    found = [(c, text) for c, (_, text) in enumerate(_MASK_BITS, 1) if (codes == c).any()]
    if found:
        axes.legend(
            handles=[Patch(color=_MASK_COLOURS[c], label=text) for c, text in found],
            loc="lower right",
            bbox_to_anchor=(1, 1),
            ncols=5,
        )


def _block_maximum(codes: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Largest code of each block, so that single masked cells stay visible."""
    tall = np.maximum.reduceat(codes, np.arange(0, codes.shape[0], rows), axis=0)
    return np.maximum.reduceat(tall, np.arange(0, codes.shape[1], columns), axis=1)


def quality_page(dataset: str, store: Store, pictures: Sequence[tuple[str, bytes]]) -> str:
    """Page with the metrics of every series and the pictures."""
    rows: list[list[object]] = []
    for one in store.analyses:
        metrics = one.metrics
        names = (
            "scatter_ppm",
            "scatter_diff_ppm",
            "error_ppm",
            "error_ratio",
            "excess_ppm",
            "white_light_rms_ppm",
            "trend_ppm_per_hour",
            "beta",
        )
        rows += [[one.name, name, metrics[name]] for name in names if name in metrics]
        rows += [[one.name, f"completeness: {k}", v] for k, v in metrics["completeness"].items()]
        rows += [
            [one.name, f"amplitude of {k} [%]", v] for k, v in metrics.get("amplitude_percent", {}).items()
        ]
        rows.append([one.name, "flags", ", ".join(metrics["flags"]) or "none"])
    headings = [Heading("Series"), Heading("Metric"), Heading("Value", numeric=True)]
    body = Markup(lead(store.facts) + section("Metrics", table(headings, rows, caption="Over the baseline")))
    for name, content in pictures:
        body = Markup(
            body
            + section(name, figure_tag(content, f"Quality of {name}: time averaging, scatter, masked cells"))
        )
    return page(f"{dataset}: quality", body)


def main(job: Job) -> None:
    """Draw light curves and quality of one dataset; nothing but the page when there is no series."""
    settings: Settings = settings_of(job)
    progress = Progress(job.log)
    progress.stage("figures", 0, 3)
    folder: Path = job.output.figures
    folder.mkdir(parents=True)
    store = read_analyses(job.input.analysis)
    series = read_series_file(job.input.series) if store.analyses else []
    suffixes = ("png", "pdf") if settings.pdf else ("png",)
    if store.analyses:
        for suffix in suffixes:
            draw_light_curves(folder / f"white_light.{suffix}", store, [WHITE])
            draw_light_curves(folder / f"bands.{suffix}", store, [band.name for band in store.bands])
    pictures = []
    for number, (one, whole) in enumerate(zip(store.analyses, series, strict=True)):
        path = folder / ("quality.png" if number == 0 else f"quality_{number + 1}.png")
        draw_quality(path, one, whole)
        pictures.append((one.name, path.read_bytes()))
        progress.stage("figures", number + 1, len(series))
    text = quality_page(str(job.wildcards.dataset), store, pictures)
    (folder / "quality.html").write_text(text, encoding="utf-8")
    progress.done()
