"""Several datasets side by side: light curves from their starts or in phase, amplitudes over wavelength.

Nothing is interpolated between datasets. Time scales and units are checked: what differs is said, and where
it matters (phases on different scales) it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.figures.style import SERIES, figure, margins, plain, save
from ephemera.jwst.analysis import Analysis, Store, read_analyses
from ephemera.jwst.bands import WHITE
from ephemera.jwst.observation import FloatArray
from ephemera.jwst.quality import amplitude
from ephemera.pages import Heading, Markup, escape, figure_tag, page, section, table
from ephemera.tables import Column, TableDeclaration, write

if TYPE_CHECKING:
    from ephemera.config.jwst import Compare as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Bins of wavelength in which amplitudes are shown, um.
AMPLITUDE_STEP = 0.1
#: Curves of fewer points have larger signs.
MOST_LARGE = 300

COMPARISON = TableDeclaration(
    "comparison",
    "One row per dataset, series and band.",
    (
        Column("dataset", "str", None, "meta.id", "Name of the dataset"),
        Column("target", "str", None, "meta.id;src", "Name of the target"),
        Column("instrument", "str", None, "instr", "Instrument"),
        Column("series", "str", None, "meta.id", "Detector and order"),
        Column("band", "str", None, "em", "Band; white for all channels"),
        Column("n_integrations", "i8", None, "meta.number", "Integrations"),
        Column("cadence", "f8", "s", "time.interval", "Median time between integrations"),
        Column("wavelength_min", "f8", "um", "em.wl;stat.min", "First wavelength"),
        Column("wavelength_max", "f8", "um", "em.wl;stat.max", "Last wavelength"),
        Column("scatter_ppm", "f8", None, "stat.stdev", "Median scatter of channels, 1e-6"),
        Column("beta", "f8", None, "stat.value", "Red noise factor of the white light"),
        Column("amplitude", "f8", "%", "stat.value", "95th minus 5th percentile of the light curve"),
    ),
)


def abscissa(one: Analysis, settings: Settings) -> FloatArray:
    """Hours from the start, or phases from -0.5 to 0.5 given a period and an epoch."""
    if settings.period_d is None or settings.epoch_d is None:
        return one.hours
    phase: FloatArray = (one.time - settings.epoch_d) / settings.period_d
    return phase - np.rint(phase)


def check_scales(stores: Mapping[str, Store], settings: Settings) -> list[str]:
    """Remarks about scales and units that differ.

    Raises ValueError for phases of times on different scales, naming them.
    """
    scales = {name: {s["time_scale"] for s in store.facts["series"]} for name, store in stores.items()}
    units = {s["flux_unit"] for store in stores.values() for s in store.facts["series"]}
    remarks = []
    if len(set().union(*scales.values())) > 1:
        listed = "; ".join(f"{name} {', '.join(sorted(found))}" for name, found in scales.items())
        if settings.period_d is not None:
            message = f"jwst.compare: phases need one time scale, but there are {listed}"
            raise ValueError(message)
        remarks.append(f"Time scales differ: {listed}. Hours from the start are compared.")
    if len(units) > 1:
        remarks.append(f"Flux units differ ({', '.join(sorted(units))}): only relative fluxes are compared.")
    return remarks


def rows(stores: Mapping[str, Store]) -> list[tuple[Any, ...]]:
    """Rows of the table."""
    found = []
    for name, store in stores.items():
        for one, facts in zip(store.analyses, store.facts["series"], strict=True):
            for band, curve in one.curves.items():
                found.append(
                    (
                        name,
                        facts["target"],
                        facts["keywords"].get("INSTRUME", ""),
                        one.name,
                        band,
                        len(one.time),
                        facts["cadence_s"],
                        float(one.wavelength[0]),
                        float(one.wavelength[-1]),
                        one.metrics.get("scatter_ppm"),
                        one.metrics.get("beta"),
                        amplitude(curve.flux),
                    )
                )
    return found


def draw_curves(path: Path, stores: Mapping[str, Store], settings: Settings) -> None:
    """Light curves of all datasets: white light and every band, one panel each."""
    bands = list(dict.fromkeys(b for s in stores.values() for one in s.analyses for b in one.curves))
    with figure(2, height=0.8 + 1.7 * len(bands)) as drawn:
        grid = drawn.add_gridspec(len(bands), 1, hspace=0.15, **margins(drawn, 0.75, 0.1, 0.45, 0.35))
        for row, band in enumerate(bands):
            axes = drawn.add_subplot(grid[row])
            number = 0
            for name, store in stores.items():
                for one in store.analyses:
                    if band in one.curves:
                        x = abscissa(one, settings)
                        axes.plot(
                            x,
                            100 * (one.curves[band].flux - 1),
                            "o^sv"[number % 4],
                            ms=3.0 if len(x) < MOST_LARGE else 1.8,
                            mew=0,
                            color=SERIES[1:][number % 6],
                            label=plain(f"{name} {one.name}"),
                        )
                    number += 1
            axes.set_ylabel("Variability [%]")
            axes.set_title(plain("white light" if band == WHITE else band), pad=3)
            axes.legend(loc="best", markerscale=2)
            axes.tick_params(labelbottom=row + 1 == len(bands))
        axes.set_xlabel("Time since the first integration [h]" if settings.period_d is None else "Phase")
        save(drawn, path)


def amplitudes(one: Analysis) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Wavelengths, scatter and excess of channels in steps of wavelength, percent; nothing is interpolated.

    Medians over the channels of a step: scatter in time, and what is left of it after the errors of the file,
    sqrt(max(0, scatter^2 - error^2)), which is 0 where these are too large.
    """
    bins = np.floor(one.wavelength / AMPLITUDE_STEP).astype(int)
    known = np.isfinite(one.channel.scatter)
    steps = [known & (bins == k) for k in np.unique(bins[known])]

    def medians(values: FloatArray) -> FloatArray:
        found = [values[inside & np.isfinite(values)] for inside in steps]
        return np.array([float(np.median(part)) if len(part) else np.nan for part in found])

    middles = np.array([float(one.wavelength[inside].mean()) for inside in steps])
    return middles, 100 * medians(one.channel.scatter), 100 * medians(one.channel.excess)


def draw_amplitudes(path: Path, stores: Mapping[str, Store]) -> None:
    """Scatter in time (lines) and what the errors leave of it (signs) against wavelength on one axis."""
    every = [(name, one) for name, store in stores.items() for one in store.analyses]
    with figure(2, height=2.8) as drawn:
        axes = drawn.add_axes((0.1, 0.16, 0.88, 0.76))
        for number, (name, one) in enumerate(every):
            colour = SERIES[1:][number % 6]
            middles, scatter, excess = amplitudes(one)
            axes.plot(middles, scatter, "-", lw=0.8, color=colour)
            excess = np.where(excess > 0, excess, np.nan)
            label = plain(f"{name} {one.name}")
            axes.plot(middles, excess, "o^sv"[number % 4], ms=3, mew=0, color=colour, label=label)
        axes.set_xlabel("Wavelength [µm]")
        axes.set_ylabel("Amplitude in time [%]")
        axes.set_title("lines: scatter; signs: scatter beyond the errors of the file", pad=3)
        axes.set_yscale("log")
        axes.legend()
        save(drawn, path)


def comparison_page(
    listed: Sequence[tuple[Any, ...]], remarks: Sequence[str], pictures: Sequence[tuple[str, bytes]]
) -> str:
    """Page with the table and the pictures."""
    headings = [Heading(c.name, c.unit or "", c.description, numeric=c.dtype != "str") for c in COMPARISON]
    notes = "".join(f'<p class="warning">{escape(remark)}</p>' for remark in remarks)
    body = Markup(notes + section("Datasets", table(headings, [list(row) for row in listed])))
    for title, content in pictures:
        body = Markup(body + section(title, figure_tag(content, title)))
    return page("JWST datasets compared", body)


def main(job: Job) -> None:
    """Write table, figures and page of the comparison of one project."""
    settings: Settings = job.settings
    folder: Path = job.output.comparison
    folder.mkdir(parents=True)
    stores = {path.name.removesuffix(".analysis.h5"): read_analyses(path) for path in job.input.analyses}
    stores = {name: store for name, store in sorted(stores.items()) if store.analyses}
    remarks = check_scales(stores, settings)
    listed = rows(stores)
    columns = {name: [row[k] for row in listed] for k, name in enumerate(COMPARISON.names)}
    write(columns, COMPARISON, folder / "comparison.ecsv")
    pictures = []
    if stores:
        draw_curves(folder / "light_curves.png", stores, settings)
        draw_amplitudes(folder / "amplitudes.png", stores)
        pictures = [
            (title, (folder / name).read_bytes())
            for title, name in (
                ("Light curves", "light_curves.png"),
                ("Amplitude against wavelength", "amplitudes.png"),
            )
        ]
    (folder / "comparison.html").write_text(comparison_page(listed, remarks, pictures), encoding="utf-8")
