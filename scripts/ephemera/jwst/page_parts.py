"""Bodies of the pages: controls, figures with their texts and tables, what was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.jwst.analysis import Store
from ephemera.jwst.display import Display
from ephemera.jwst.observation import Series
from ephemera.pages import Heading, Markup, escape, section, table
from ephemera.words import counted

if TYPE_CHECKING:
    from ephemera.config.jwst import Pages as Settings

#: Pages of a dataset.
PAGES = ("surface", "heatmap", "combined")
#: Cells of the tables that stand for figures.
TABLE_COLUMNS, TABLE_ROWS = 12, 40


def lead(facts: Mapping[str, Any]) -> Markup:
    """First line: how many files and integrations were read, masked and refused."""
    masked = sum(one["n_masked"] for one in facts["series"])
    files, read = counted(facts["n_files"], "file"), counted(facts["n_integrations_read"], "integration")
    used, refused = (f"{facts[f'n_integrations_{name}']:,}" for name in ("used", "refused"))
    text = f"{files} and {read} read: {used} used, {refused} refused; {counted(masked, 'cell')} masked."
    warnings = "".join(f'<p class="warning">{escape(w)}</p>' for w in facts.get("warnings", []))
    return Markup(f'<p class="lead" id="counts">{escape(text)}</p>{warnings}')


def empty_body(facts: Mapping[str, Any]) -> Markup:
    """What a page says when there is nothing to show."""
    return Markup(
        f'<p class="warning" role="alert"><strong>{escape(facts["outcome"])}</strong>: '
        f"{escape(facts['detail'])}</p>"
    )


def controls(displays: Sequence[Display]) -> Markup:
    """Controls that every page has."""
    series = (
        '<label class="field"><span>Series</span><select id="series"></select></label>'
        if len(displays) > 1
        else ""
    )
    return Markup(f"""<div class="controls" role="group" aria-label="What is shown">{series}
<fieldset id="bands"><legend>Bands</legend></fieldset>
<fieldset id="visits"><legend>Visits</legend></fieldset>
<fieldset id="modes"><legend>Show</legend><button type="button" data-mode="variability">Variability</button>
<button type="button" data-mode="flux">Flux</button></fieldset>
<fieldset id="colours"><legend>Colours</legend><select id="scale" aria-label="Colour scale"></select>
<label><input type="checkbox" id="reverse"> reversed</label></fieldset>
<fieldset><legend>Limits of colours [<span id="zunit"></span>]</legend>
<input type="number" id="zmin" step="any" aria-label="Lower limit of colours" aria-describedby="zerror">
<input type="number" id="zmax" step="any" aria-label="Upper limit of colours" aria-describedby="zerror">
<button type="button" id="zauto">Automatic</button><span id="zerror" role="alert"></span></fieldset>
<fieldset><legend>View</legend><button type="button" id="reset">Reset view</button></fieldset></div>
""")


def factors(displays: Sequence[Display], settings: Settings) -> Markup:
    """How the matrix shown was made from the data."""
    parts = []
    for one in displays:
        how = "sampled" if one.sampled else f"{counted(one.bin_time, 'integration')} and"
        rows = f"{counted(one.bin_wavelength, 'channel')} to a cell"
        parts.append(f"{one.name}: {how} {rows}, {len(one.hours)} x {len(one.wavelength)} cells")
    smooth = f"smoothed with sigma {settings.sigma_time:g} columns and {settings.sigma_wave:g} rows"
    text = f"Shown: {'; '.join(parts)}; {smooth}. Light curves and metrics are neither smoothed nor binned."
    return Markup(f'<p class="note" id="factors">{escape(text)}</p>')


def panel(name: str, title: str, alternative: str, content: Markup, *, low: bool = False) -> Markup:
    """A figure with its text alternative, its PNG button and its table."""
    style = "plot low" if low else "plot"
    return Markup(f"""<figure class="panel"><h3 id="{name}-title">{escape(title)}</h3>
<div class="{style}" id="{name}" role="application" tabindex="0" aria-labelledby="{name}-title"
 aria-describedby="{name}-text"></div>
<figcaption id="{name}-text">{escape(alternative)}</figcaption>
<div class="controls"><button type="button" data-png="{name}">Save as PNG</button></div>
<details><summary>{escape(title)} as a table</summary>{content}</details></figure>
""")


def matrix_table(displays: Sequence[Display]) -> Markup:
    """Variability of blocks of time and wavelength."""
    rows: list[list[object]] = []
    for one in displays:
        groups = np.array_split(np.arange(len(one.wavelength)), min(len(one.wavelength), TABLE_COLUMNS))
        times = np.array_split(np.arange(len(one.hours)), min(len(one.hours), TABLE_ROWS // 2))
        for t in times:
            for w in groups:
                block = one.variability[np.ix_(w, t)]
                known = block[np.isfinite(block)]
                value = float(known.mean()) if known.size else None
                rows.append([one.name, float(one.hours[t].mean()), float(one.wavelength[w].mean()), value])
    headings = [
        Heading("Series"), Heading("Time", "h", numeric=True), Heading("Wavelength", "um", numeric=True),
        Heading("Variability", "%", "mean over the block", numeric=True),
    ]  # fmt: skip
    return table(headings, rows, caption="Means over blocks of time and wavelength")


def spectrum_table(store: Store) -> Markup:
    """Median spectrum, thinned."""
    rows: list[list[object]] = []
    for one in store.analyses:
        step = max(1, len(one.wavelength) // TABLE_ROWS)
        for k in range(0, len(one.wavelength), step):
            scatter = 1e6 * float(one.channel.scatter[k])
            rows.append([one.name, float(one.wavelength[k]), float(one.median[k]), scatter])
    headings = [
        Heading("Series"), Heading("Wavelength", "um", numeric=True), Heading("Median flux", numeric=True),
        Heading("Scatter", "ppm", "robust, in time", numeric=True),
    ]  # fmt: skip
    return table(headings, rows, caption="Median spectrum, every few channels")


def curve_table(displays: Sequence[Display]) -> Markup:
    """Light curves, thinned."""
    rows: list[list[object]] = []
    for one in displays:
        step = max(1, len(one.hours) // TABLE_ROWS)
        for name, (flux, error) in one.curves.items():
            rows += [
                [one.name, name, float(one.hours[k]), float(flux[k]), float(error[k])]
                for k in range(0, len(one.hours), step)
            ]
    headings = [
        Heading("Series"), Heading("Band"), Heading("Time", "h", numeric=True),
        Heading("Variability", "%", numeric=True), Heading("Error", "%", numeric=True),
    ]  # fmt: skip
    return table(headings, rows, caption="Light curves, every few columns")


SURFACE_TEXT = (
    "Surface of the variability over time and wavelength, one for each visit. Drag to turn it, click to "
    "pick a time and a wavelength; the arrow keys move the pick."
)
HEATMAP_TEXT = (
    "The same numbers as a map: time to the right, wavelength upwards, gaps left empty. Click to pick; the "
    "arrow keys move through time and wavelength."
)


def surface_panel(displays: Sequence[Display]) -> Markup:
    """The surface."""
    return panel("surface", "Surface", SURFACE_TEXT, matrix_table(displays))


def heatmap_panel(displays: Sequence[Display]) -> Markup:
    """The heatmap."""
    return panel("heatmap", "Heatmap", HEATMAP_TEXT, matrix_table(displays))


_READOUT = Markup('<p class="readout" id="readout" role="status" aria-live="polite"></p>')
_PLAYER = Markup("""<div class="controls" id="player" role="group"
 aria-label="Step through spectra and light curves">
<label class="field"><span>x axis</span><select id="axis">
<option value="wavelength">wavelength (step through time)</option>
<option value="time">time (step through wavelength)</option></select></label>
<button type="button" id="previous">Previous</button>
<button type="button" id="play" aria-pressed="false">Play</button>
<button type="button" id="next">Next</button>
<label class="field"><span>Frames a second</span>
<input type="number" id="rate" min="1" max="10" value="4"></label>
<label><input type="checkbox" id="ribbon" checked> errors</label>
<label><input type="checkbox" id="bandmean" checked> band means</label></div>
""")


def single_body(store: Store, displays: Sequence[Display], settings: Settings, figure: Markup) -> Markup:
    """Body of surface.html and heatmap.html, which hold one figure."""
    return Markup(lead(store.facts) + controls(displays) + figure + _READOUT + factors(displays, settings))


def combined_body(
    store: Store, displays: Sequence[Display], settings: Settings, film: Markup, tail: Markup
) -> Markup:
    """Body of combined.html."""
    spectrum = panel(
        "spectrum", "Spectrum at the chosen time",
        "Spectrum at the chosen time in blue with its errors, the median in grey, bands shaded.",
        spectrum_table(store), low=True,
    )  # fmt: skip
    curve = panel(
        "curve", "Light curve at the chosen wavelength",
        "Light curve at the chosen wavelength, and the mean of the bands, or of all channels, with errors.",
        curve_table(displays), low=True,
    )  # fmt: skip
    tour = Markup('<div class="controls"><button type="button" id="tour">Guided tour</button></div>')
    return Markup(
        lead(store.facts)
        + tour
        + controls(displays)
        + f'<div class="row two">{surface_panel(displays)}{heatmap_panel(displays)}</div>'
        + _READOUT
        + factors(displays, settings)
        + _PLAYER
        + f'<div class="row two">{spectrum}{curve}</div>'
        + section("Video", film)
        + tail
    )


def metadata_tables(store: Store, series: Sequence[Series]) -> Markup:
    """Ranges, counts, quality and keywords of every series, and the files they came from."""
    rows: list[list[object]] = []
    for one, whole, facts in zip(store.analyses, series, store.facts["series"], strict=True):
        metrics = one.metrics
        entries = {
            "target": whole.target, "flux unit": whole.flux_unit, "time scale": facts["time_scale"],
            "integrations": len(one.time), "channels": len(one.wavelength), "visits": len(one.ranges),
            "wavelength [um]": f"{one.wavelength[0]:.6f} to {one.wavelength[-1]:.6f}",
            "time [d]": f"{one.time[0]:.6f} to {one.time[-1]:.6f}", "cadence [s]": facts["cadence_s"],
            "scatter [ppm]": metrics.get("scatter_ppm"), "scatter over error": metrics.get("error_ratio"),
            "beta (red noise)": metrics.get("beta"), "quality flags": ", ".join(metrics["flags"]) or "none",
            **{f"keyword {key}": value for key, value in facts["keywords"].items()},
            **{f"SHA-256 of {name}": digest for name, digest in facts["files"].items()},
        }  # fmt: skip
        rows += [[one.name, key, value if value is not None else ""] for key, value in entries.items()]
    content = table([Heading("Series"), Heading("What"), Heading("Value")], rows, caption="Metadata")
    return section("Metadata", content, anchor="metadata")


def bad_input_table(problems: Mapping[str, Sequence[Any]] | None) -> Markup:
    """What was refused, ignored or used with a remark."""
    if not problems or not problems["file"]:
        return section("Remarks about the input", Markup("<p>None.</p>"), anchor="remarks")
    names = ("file", "extension", "code", "message", "action", "n_lost")
    headings = [Heading(name, numeric=name == "n_lost") for name in names]
    rows = zip(*(problems[name] for name in names), strict=True)
    return section("Remarks about the input", table(headings, [list(row) for row in rows]), anchor="remarks")
