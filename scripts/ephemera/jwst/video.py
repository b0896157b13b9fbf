"""A film of the spectra through time, or of the light curves through wavelength.

Frames are drawn once: axes, median and white light stay, only the lines that move are drawn again and piped
raw to the encoder that the package imageio-ffmpeg brings along. Axes are fixed over all frames. Without an
encoder the frames are kept as PNG and the log says so.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.jwst.analysis import Analysis, Store, read_analyses
from ephemera.jwst.bands import WHITE
from ephemera.jwst.clocks import nearest
from ephemera.jwst.cube import read_series_file
from ephemera.jwst.observation import SCALE_NAMES, IntArray, Series, SingleArray
from ephemera.jwst.options import settings_of
from ephemera.jwst.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ephemera.config.jwst import Video as Settings
    from ephemera.figures.ticker import Ticker
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Name of the film in the folder of products.
FILM = "spectrum.mp4"
#: Percentiles that fix the axes; points of a line that can be told apart at this width.
LIMITS, MOST_POINTS = (0.5, 99.5), 1500
#: The encoder gets a fixed number of threads, on which its bytes depend.
ENCODER_THREADS = 2
PIPE_BYTES = 1 << 20


@dataclass(frozen=True)
class Track:
    """A series as the film needs it: flux and variability (time, wavelength) of the frames only."""

    analysis: Analysis
    rows: IntArray
    flux: SingleArray
    variability: SingleArray


def even(size: Sequence[int]) -> tuple[int, int]:
    """Width and height, made even."""
    return size[0] // 2 * 2, size[1] // 2 * 2


def frame_indices(n: int, most: int) -> IntArray:
    """At most `most` of `n`, evenly chosen, with the first and the last."""
    return np.unique(np.rint(np.linspace(0, n - 1, min(n, most))).astype(np.int64))


def encoder() -> str | None:
    """Path of the encoder, None where there is none."""
    try:
        import imageio_ffmpeg  # type: ignore[import-untyped]

        path: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        log.warning("no video encoder (%s): frames are kept as PNG", error)
        return None
    return path


def encode(
    program: str, path: Path, frames: Iterator[memoryview], size: tuple[int, int], fps: int, quality: int
) -> None:
    """Write raw RGBA frames as H.264 in yuv420p, with the index at the start of the file.

    Raises OSError with the encoder's words when it fails.
    """
    command = [
        program, "-y", "-loglevel", "error",
        "-f", "rawvideo", "-pix_fmt", "rgba", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "-", "-an",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", str(quality), "-pix_fmt", "yuv420p",
        "-threads", str(ENCODER_THREADS), "-movflags", "+faststart",
        "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", str(path),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdin is not None
        assert process.stderr is not None
        with contextlib.suppress(OSError, AttributeError):  # fewer switches between drawing and encoding
            fcntl.fcntl(process.stdin, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            for frame in frames:
                process.stdin.write(frame)
            process.stdin.close()
        except BrokenPipeError:
            log.warning("the encoder stopped early")
            with contextlib.suppress(BrokenPipeError):  # what waits to be written would break it again
                process.stdin.close()
        words = process.stderr.read().decode("utf-8", "replace")
        code = process.wait()
    if code:
        message = f"the encoder failed with {code}: {words.strip()[-500:]}"
        raise OSError(message)


def tracks(store: Store, series: Sequence[Series], frames: IntArray) -> list[Track]:
    """Rows of every series at the frames of the first one, by the nearest time."""
    first = store.analyses[0]
    found = []
    for one, whole in zip(store.analyses, series, strict=True):
        rows = frames if one is first else nearest(one.time, first.time[frames])
        norm = one.normalised(whole)
        flux: SingleArray = norm.series.flux.T[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            level: SingleArray = norm.level[norm.visit[rows]].astype(np.float32)
            relative = (np.float32(100) * (flux / level - np.float32(1))).astype(np.float32)
        found.append(Track(one, rows, flux, relative))
    return found


def limits(arrays: Sequence[npt.NDArray[Any]], room: float = 0.08) -> tuple[float, float]:
    """Limits of an axis: the 0.5 and 99.5 percentiles of all values, with some room."""
    known = np.concatenate([a[np.isfinite(a)].ravel() for a in arrays])
    if not known.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(known[:: max(1, known.size // 1_000_000)], LIMITS))
    width = (high - low) or abs(high) or 1.0
    return low - room * width, high + room * width


def thin(n: int) -> slice:
    """Every so many points of a line."""
    return slice(None, None, max(1, -(-n // MOST_POINTS)))


@dataclass
class Scene:
    """A figure with what moves: `update(k)` sets the artists to frame k and says what the ticker shows."""

    figure: Figure
    moving: list[Any]
    ticker: Ticker
    update: Callable[[int], str]


def spectra_scene(figure: Figure, film: Sequence[Track], store: Store, scale: str) -> Scene:
    """Spectrum with the median in grey, its difference in percent, and the white light with a marker."""
    from ephemera.figures.style import COLOURS, SERIES, margins

    grid = figure.add_gridspec(
        3, 1, height_ratios=(4, 3, 2.2), hspace=0.5, **margins(figure, 0.75, 0.15, 0.45, 0.35)
    )
    top, middle, low = (figure.add_subplot(grid[k]) for k in range(3))
    lines = _moving_spectra(top, middle, film)
    for number, track in enumerate(film):
        one = track.analysis
        white = 100 * (one.curves[WHITE].flux - 1)
        low.plot(one.hours, white, ".", ms=1.5, color=SERIES[1:][number % 6], label=one.name)
    wavelengths = np.concatenate([t.analysis.wavelength for t in film])
    for axes in (top, middle):
        axes.set_xlim(wavelengths.min(), wavelengths.max())
        for band in store.bands:
            axes.axvspan(band.start, band.end, color=COLOURS["band"], alpha=0.18, lw=0)
    top.set_ylim(*limits([t.flux for t in film] + [t.analysis.median for t in film]))
    middle.set_ylim(*limits([t.variability for t in film]))
    middle.axhline(0, color="#888888", lw=0.8)
    unit = store.facts["series"][0]["flux_unit"]
    top.set_ylabel("Flux" if unit == "normalised" else f"Flux [{unit}]")
    middle.set_ylabel("Variability [%]")
    middle.set_xlabel("Wavelength [µm]")
    low.set_xlabel("Time since the first integration [h]")
    low.set_ylabel("White light [%]")
    low.set_ylim(*limits([100 * (t.analysis.curves[WHITE].flux - 1) for t in film], 0.2))
    hours = film[0].analysis.hours[film[0].rows]
    days = film[0].analysis.time[film[0].rows]
    marker = low.axvline(hours[0], color=COLOURS["threshold"], lw=1.2, animated=True)
    top.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2)

    def update(k: int) -> str:
        for (first, second), track, part in lines:
            first.set_ydata(track.flux[k][part])
            second.set_ydata(track.variability[k][part])
        marker.set_xdata([hours[k], hours[k]])
        return f"{hours[k]:8.3f} h    {days[k]:.5f} d ({scale})"

    moving = [line for pair, _, _ in lines for line in pair]
    return Scene(figure, [*moving, marker], _ticker(figure, top), update)


def _moving_spectra(top: Any, middle: Any, film: Sequence[Track]) -> list[tuple[list[Any], Track, slice]]:
    """Median spectra in grey, and for each series the two lines that move, with the points they take."""
    from ephemera.figures.style import SERIES

    lines = []
    for number, track in enumerate(film):
        one, colour = track.analysis, SERIES[1:][number % 6]
        part = thin(len(one.wavelength))
        waves = one.wavelength[part]
        label = "median" if number == 0 else None
        top.plot(waves, one.median[part], color="#888888", lw=1.6, label=label)
        nothing = np.full(len(waves), np.nan)
        pair = [axes.plot(waves, nothing, color=colour, lw=0.9, animated=True)[0] for axes in (top, middle)]
        lines.append((pair, track, part))
    return lines


def curves_scene(figure: Figure, film: Sequence[Track], channels: IntArray) -> Scene:
    """Light curve of one channel after the other, with the median spectrum and a marker."""
    from ephemera.figures.style import COLOURS, SERIES, margins

    grid = figure.add_gridspec(
        2, 1, height_ratios=(3, 2), hspace=0.4, **margins(figure, 0.75, 0.15, 0.45, 0.35)
    )
    top, low = (figure.add_subplot(grid[k]) for k in range(2))
    one = film[0].analysis
    matrix = film[0].variability
    line = top.plot(
        one.hours[film[0].rows],
        np.full(len(film[0].rows), np.nan),
        ".-",
        ms=2,
        color=SERIES[1],
        animated=True,
    )[0]
    top.axhline(0, color="#888888", lw=0.8)
    top.set_xlim(one.hours[0], one.hours[-1] if len(one.hours) > 1 else one.hours[0] + 1)
    top.set_ylim(*limits([matrix]))
    top.set_xlabel("Time since the first integration [h]")
    top.set_ylabel("Variability [%]")
    low.plot(one.wavelength, one.median, color="#888888")
    low.set_xlabel("Wavelength [µm]")
    low.set_ylabel("Median flux")
    marker = low.axvline(one.wavelength[0], color=COLOURS["threshold"], lw=1.2, animated=True)

    def update(k: int) -> str:
        channel = channels[k]
        line.set_ydata(matrix[:, channel])
        marker.set_xdata([one.wavelength[channel]] * 2)
        return f"{one.wavelength[channel]:.4f} µm"

    return Scene(figure, [line, marker], _ticker(figure, top), update)


def _ticker(figure: Figure, axes: Any) -> Ticker:
    """What changes in words, right above some axes."""
    from ephemera.figures.ticker import Ticker

    right, bottom = axes.transAxes.transform((0.995, 1.0))
    return Ticker(figure, right, bottom + 0.03 * figure.dpi)


def draw_frames(scene: Scene, count: int, report: Callable[[int], None]) -> Iterator[memoryview]:
    """Raw RGBA frames, each valid until the next: what stays is drawn once, what moves again in each."""
    canvas: Any = scene.figure.canvas
    canvas.draw()
    still = canvas.copy_from_bbox(scene.figure.bbox)
    for k in range(count):
        canvas.restore_region(still)
        words = scene.update(k)
        for artist in scene.moving:
            scene.figure.draw_artist(artist)
        scene.ticker.draw(words)
        report(k + 1)
        yield canvas.buffer_rgba()


def keep_frames(folder: Path, frames: Iterator[memoryview], size: tuple[int, int]) -> None:
    """Write frames as PNG."""
    from PIL import Image

    folder.mkdir()
    for number, frame in enumerate(frames):
        Image.frombytes("RGBA", size, frame).convert("RGB").save(folder / f"frame_{number:04d}.png")


def make_film(
    folder: Path, store: Store, series: Sequence[Series], settings: Settings, progress: Progress
) -> None:
    """Write the film into `folder`, or its frames when there is no encoder."""
    from ephemera.figures.style import WIDTHS, figure

    size = even(settings.size)
    first = store.analyses[0]
    with figure(2, height=WIDTHS[2] * size[1] / size[0]) as drawn:
        drawn.set_dpi(size[0] / WIDTHS[2])
        drawn.set_size_inches((size[0] + 0.01) / drawn.dpi, (size[1] + 0.01) / drawn.dpi)
        if settings.mode == "wavelength":
            chosen = frame_indices(len(first.time), settings.frames)
            film = tracks(store, series, chosen)
            scale = SCALE_NAMES[series[0].time_scale]
            scene = spectra_scene(drawn, film, store, scale)
        else:
            film = tracks(store, series, frame_indices(len(first.time), MOST_POINTS))
            chosen = frame_indices(len(first.wavelength), settings.frames)
            scene = curves_scene(drawn, film, chosen)
        frames = draw_frames(scene, len(chosen), lambda k: progress.stage("video", k, len(chosen)))
        program = encoder()
        if program is None:
            keep_frames(folder / "frames", frames, size)
        else:
            encode(program, folder / FILM, frames, size, settings.fps, settings.quality)
    log.info("%d frames of %d x %d", len(chosen), *size)


def main(job: Job) -> None:
    """Write the video of one dataset; an empty folder when it is switched off or there is no series."""
    settings: Settings = settings_of(job)
    job.output.video.mkdir(parents=True)
    store = read_analyses(job.input.analysis)
    if not settings.enabled or not store.analyses:
        log.info("no video: %s", "switched off" if store.analyses else "no series")
        return
    progress = Progress(job.log)
    progress.stage("video", 0, 1)
    make_film(job.output.video, store, read_series_file(job.input.series), settings, progress)
    progress.done()
