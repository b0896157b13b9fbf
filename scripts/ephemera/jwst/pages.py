"""Interactive pages of a dataset: surface, heatmap, and both with spectrum, light curve, video and tables.

Each page is one file that opens from disk: the plotting library, the arrays (base64) and the video are
inside, and nothing is asked of any host. Everything that comes from files or users is escaped.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.jwst.analysis import Store, read_analyses
from ephemera.jwst.colour_scales import COLOUR_SCALES
from ephemera.jwst.cube import read_series_file
from ephemera.jwst.display import MOST_COLUMNS, MOST_ROWS, Display, colour_limits, make_display
from ephemera.jwst.observation import SCALE_NAMES, FloatArray, Series, SingleArray
from ephemera.jwst.options import settings_of
from ephemera.jwst.page_parts import (
    PAGES,
    bad_input_table,
    combined_body,
    empty_body,
    heatmap_panel,
    lead,
    metadata_tables,
    single_body,
    surface_panel,
)
from ephemera.jwst.problems import BAD_INPUTS
from ephemera.jwst.progress import Progress
from ephemera.jwst.units import WAVELENGTHS, flux_factor
from ephemera.pages import Markup, asset, embed_json, page
from ephemera.tables import read

if TYPE_CHECKING:
    from ephemera.config.jwst import Pages as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Where scripts and styles of the pages lie, and the parts of the script in their order.
ROOM = "ephemera.jwst"
SCRIPTS = ("page_data.js", "page_plots.js", "page_controls.js", "page_tour.js")
#: A larger video is not put into the page but named on it.
MOST_VIDEO_BYTES = 8_000_000
#: Codes of errors: 0 is none, the others are steps of the logarithm.
MOST_CODES = 65535


def plotting_library() -> str:
    """Source of plotly.js as the Python package ships it (found without importing the package)."""
    spec = find_spec("plotly")
    assert spec is not None
    assert spec.origin is not None
    text = Path(spec.origin).parent.joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")
    if "</script" in text.lower():
        message = "the plotting library holds the end of a script element and cannot be inlined"
        raise ValueError(message)
    return text


def page_script() -> str:
    """The script of the pages: all parts inside one function, so that their names stay among themselves."""
    parts = "\n".join(asset(name, ROOM) for name in SCRIPTS)
    return f"(() => {{\n{parts}\n}})();"


def base64_block(name: str, values: npt.NDArray[Any]) -> Markup:
    """An array as base64 in an element that no browser runs; little-endian."""
    little = np.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(little.tobytes()).decode()
    return Markup(f'<script type="text/plain" id="{name}">{text}</script>\n')


def error_codes(error: SingleArray) -> tuple[npt.NDArray[np.uint16], tuple[float, float]]:
    """Errors as 16-bit codes of their logarithm: exp(low + step (code - 1)), 0 where there is none."""
    good = np.isfinite(error) & (error > 0)
    codes = np.zeros(error.shape, np.uint16)
    if not good.any():
        return codes, (0.0, 0.0)
    logs = np.log(error[good].astype(np.float64))
    low, high = float(logs.min()), float(logs.max())
    step = max((high - low) / (MOST_CODES - 1), 1e-12)
    codes[good] = np.rint((logs - low) / step).astype(np.int64) + 1
    return codes, (low, step)


def series_document(display: Display, visits: int) -> dict[str, Any]:
    """What the script of a page knows of a series beside its arrays."""
    variability, flux = colour_limits(display)
    _, code = error_codes(display.error)
    steps = np.concatenate([np.diff(display.hours[s.start : s.stop]) for s in display.segments])
    return {
        "name": display.name,
        "rows": len(display.wavelength),
        "cols": len(display.hours),
        "hours": [round(float(h), 7) for h in display.hours],
        "time": [round(float(t), 9) for t in display.time],
        "um": [float(f"{w:.9g}") for w in display.wavelength],
        "count": display.count.tolist(),
        "cadence": float(np.median(steps)) if len(steps) else 0.01,
        "segments": [
            {"start": s.start, "stop": s.stop, "visit": s.visit, "synthetic": s.synthetic}
            for s in display.segments
        ],
        "visits": visits,
        "limits": {"variability": variability, "flux": flux},
        "errorCode": code,
        "curves": list(display.curves),
        "bareRows": sorted(display.bare),
    }


def series_blocks(display: Display, number: int) -> Markup:
    """Arrays of a series: V, codes of errors, levels, flux of rows without a level, light curves."""
    codes, _ = error_codes(display.error)
    bare = [display.bare[row] for row in sorted(display.bare)]
    curves = [part for pair in display.curves.values() for part in pair]
    arrays: dict[str, npt.NDArray[Any]] = {
        "V": display.variability.astype(np.float32),
        "E": codes,
        "L": display.level.astype(np.float32),
        "B": np.array(bare, np.float32),
        "C": np.array(curves, np.float32),
    }
    return Markup("".join(base64_block(f"{name}{number}", values) for name, values in arrays.items()))


def document(
    dataset: str,
    store: Store,
    displays: Sequence[Display],
    series: Sequence[Series],
    settings: Settings,
    *,
    tour: bool,
) -> dict[str, Any]:
    """What the script of a page knows of the dataset."""
    shown = {"um": "µm", "nm": "nm", "Angstrom": "Å"}
    unit = series[0].flux_unit if settings.flux_unit == "native" else settings.flux_unit
    documents = [series_document(d, len(a.ranges)) for d, a in zip(displays, store.analyses, strict=True)]
    if settings.z_range is not None:
        for one in documents:
            low, high = one["limits"][settings.z_mode]
            first, last = settings.z_range
            one["limits"][settings.z_mode] = (low if first is None else first, high if last is None else last)
    return {
        "dataset": dataset,
        "zMode": settings.z_mode,
        "colourScale": settings.colorscale,
        "reverse": settings.reverse,
        "scales": {name: list(colours) for name, colours in COLOUR_SCALES.items()},
        "wavelengthFactor": round(1 / WAVELENGTHS[settings.wavelength_unit]),
        "wavelengthUnitShown": shown[settings.wavelength_unit],
        "fluxUnit": unit,
        "timeScale": SCALE_NAMES[series[0].time_scale],
        "bands": [
            {
                "name": b.name, "start": b.start, "end": b.end,
                "disabled": not any(b.channels(a.wavelength).any() for a in store.analyses),
            }
            for b in store.bands
        ],
        "series": documents,
        "tour": tour,
    }  # fmt: skip


def in_unit(display: Display, unit: str, wanted: str) -> Display:
    """The same with levels and bare flux in the unit that is shown."""
    factor: FloatArray = flux_factor(unit, wanted, display.wavelength).astype(float)
    bare = {row: (flux * factor[row]).astype(np.float32) for row, flux in display.bare.items()}
    return replace(display, level=(display.level * factor).astype(np.float32), bare=bare)


def video_markup(folder: Path) -> Markup:
    """The video inside the page, or a sentence where it is not."""
    films = sorted(folder.glob("*.mp4"))
    if not films:
        return Markup('<p class="note">No video was made; the log says why.</p>')
    content = films[0].read_bytes()
    if len(content) > MOST_VIDEO_BYTES:
        return Markup(
            f'<p class="note">The video {films[0].name} is too large for this page: it lies beside it.</p>'
        )
    data = base64.b64encode(content).decode()
    label = "Video of the spectra through time, with the median in grey and the white light below"
    return Markup(
        f'<video controls preload="metadata" aria-label="{label}" src="data:video/mp4;base64,{data}"></video>'
    )


def make_pages(
    dataset: str,
    store: Store,
    series: Sequence[Series],
    settings: Settings,
    video: Path,
    problems: Mapping[str, Sequence[Any]] | None = None,
) -> dict[str, str]:
    """The three pages of a dataset by their names."""
    title = (
        f"{store.facts['series'][0]['target'] or dataset}: JWST time series"
        if store.analyses
        else f"{dataset}: no series"
    )
    if not store.analyses:
        body = Markup(lead(store.facts) + empty_body(store.facts) + bad_input_table(problems))
        return {name: page(title, body) for name in PAGES}
    most_rows = max(50, MOST_ROWS // len(series))
    displays = []
    for one, whole in zip(store.analyses, series, strict=True):
        display = make_display(one, one.normalised(whole), settings, most_rows)
        assert len(display.hours) <= 3 * MOST_COLUMNS
        displays.append(in_unit(display, whole.flux_unit, settings.flux_unit))
    blocks = Markup("".join(series_blocks(display, k) for k, display in enumerate(displays)))
    scripts, style = [plotting_library(), page_script()], asset("page.css", ROOM)
    tail = Markup(metadata_tables(store, series) + bad_input_table(problems))
    bodies = {
        "surface": single_body(store, displays, settings, surface_panel(displays)),
        "heatmap": single_body(store, displays, settings, heatmap_panel(displays)),
        "combined": combined_body(store, displays, settings, video_markup(video), tail),
    }
    pages = {}
    for name in PAGES:
        tour = settings.tour and name == "combined"
        known = document(dataset, store, displays, series, settings, tour=tour)
        body = Markup(bodies[name] + embed_json("meta", known) + blocks)
        pages[name] = page(title, body, scripts=scripts, styles=[style])
    return pages


def main(job: Job) -> None:
    """Write the pages of one dataset."""
    settings: Settings = settings_of(job)
    progress = Progress(job.log)
    progress.stage("figures", 0, 3)
    dataset = str(job.wildcards.dataset)
    store = read_analyses(job.input.analysis)
    series = read_series_file(job.input.series) if store.analyses else []
    problems = read(job.input.bad_inputs, BAD_INPUTS).to_pydict()
    job.output.pages.mkdir(parents=True)
    pages = make_pages(dataset, store, series, settings, job.input.video, problems)
    for number, (name, text) in enumerate(sorted(pages.items()), 1):
        (job.output.pages / f"{name}.html").write_text(text, encoding="utf-8")
        log.info("%s.html: %.1f MB", name, len(text) / 1e6)
        progress.stage("figures", number, 3)
    progress.done()
