"""The gallery of an observation: one page that opens from disk, with everything to judge each stamp.

Reads the tables of the observation and, one stamp at a time, its files. Stamps are shown in the order of the
files, the best by local SNR where there are too many; hits that carry data and have no stamp follow. On
request every figure is written as PNG and PDF too.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.cosmic.cut import cut_of
from ephemera.cosmic.event_columns import FILTER_COUNTS
from ephemera.cosmic.features import correlations
from ephemera.cosmic.frames import index_frames
from ephemera.cosmic.gallery_page import Book, Item, Picture, anchor, book_pages, hits_page
from ephemera.cosmic.hit_columns import FILTERED_HITS
from ephemera.cosmic.hit_messages import cut_out, decode_hits
from ephemera.cosmic.index import MIB
from ephemera.cosmic.index_columns import BAD_INPUTS, MESSAGES
from ephemera.cosmic.stamp import Stamp
from ephemera.cosmic.stamp_columns import ANTENNAS, BEAMS, MATCHED_STAMPS
from ephemera.cosmic.stamp_figures import (
    ANTENNA_HEIGHT,
    AntennaView,
    Axis,
    Line,
    Panel,
    antennas,
    overlay_lines,
    places_on_ground,
    small_png,
    waterfall_height,
    waterfalls,
)
from ephemera.cosmic.stamp_messages import MappedFile
from ephemera.cosmic.stamps import load_choices, read_chosen
from ephemera.figures.style import WIDTHS, figure, plain, save
from ephemera.files import write_text
from ephemera.pages import Markup, escape, link
from ephemera.tables import read

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ephemera.config.cosmic import Gallery as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
#: The weighted sum is drawn where it differs by more than this.
WEIGHTED_DIFFERS = 0.01
#: Signals seen by themselves from this SNR on, as in the bars of antennas.
SEEN = 5.0
#: Rows of the page of hits; those with a stamp come first.
MOST_HITS = 5000
#: Features beside the pictures of a stamp.
FACTS = (
    "power_ratio",
    "gain",
    "coherence",
    "frac_max",
    "n_ant_above",
    "eig_frac",
    "eig_part",
    "pol_balance",
    "path_corr",
    "edge_q",
    "edge_asym",
    "bad_frac",
)


class Sheets:
    """Draws figures as small pictures for pages, and on request as files of their own."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder = folder / "figures"
        self.files = settings.figures == "all"
        self.settings = settings

    def save(self, drawn: Figure, name: str) -> None:
        """Write a figure as PNG and PDF when that is asked for."""
        if self.files:
            for suffix in (".png", ".pdf"):
                save(drawn, self.folder / f"{name}{suffix}")

    def waterfall(
        self, panels: Sequence[Panel], axis: Axis, line: Line | None, title: str, name: str
    ) -> Picture:
        """Picture of waterfalls; the page draws the path over it."""
        height = waterfall_height(len(panels))
        if self.files:
            with figure(2, height=height) as drawn:
                waterfalls(drawn, panels, axis, line, title, show_path=self.settings.show_path)
                self.save(drawn, f"{name}_waterfalls")
        with figure(2, height=height) as drawn:
            waterfalls(drawn, panels, axis, line, title, show_path=False)
            image = small_png(drawn)
        lines = [] if line is None else overlay_lines(len(panels), axis, line, WIDTHS[2])
        return Picture(image, "Power in dB above the edges", lines, (WIDTHS[2], height))

    def antennas(self, view: AntennaView, title: str, name: str) -> Picture:
        """Picture of the antennas."""
        with figure(2, height=ANTENNA_HEIGHT) as drawn:
            antennas(drawn, view, title)
            image = small_png(drawn)
            self.save(drawn, f"{name}_antennas")
        return Picture(image, "Antennas: power with local SNR, places, correlation of pairs on the path")


def chosen(stamps: Sequence[Row], most: int) -> list[Row]:
    """At most `most` stamps: those that filters keep first, then by local SNR; in the order of the files."""
    ranked = sorted(stamps, key=lambda row: (not row["kept"], -_real(row["snr_local"], -math.inf)))
    wanted = {row["stamp_id"] for row in ranked[:most]}
    return [row for row in stamps if row["stamp_id"] in wanted]


def _real(value: float | None, missing: float) -> float:
    return missing if value is None or math.isnan(value) else value


def title_of(row: Row, heading: str) -> str:
    """Two lines: source, frequency, drift, stored SNR; local SNR, legacy, verdict."""
    first = [plain(heading or row["source"] or "", 40)]
    if row["freq_mhz"] is not None:
        first += [f"{row['freq_mhz']:.6f} MHz", f"drift {_real(row['drift_rate_hz_s'], math.nan):.4g} Hz/s"]
        first.append(f"SNR {_real(row['stored_snr'], math.nan):.4g} (detector)")
    second = [f"local SNR {_text(row['snr_local'])}", f"legacy {_text(row['snr_local_legacy'])}"]
    if row.get("class"):
        second.append(f"{row['class']} ({row['confidence']})")
    return "   ".join(first) + "\n" + "   ".join(second)


def _text(value: float | None) -> str:
    return "none" if value is None or math.isnan(value) else f"{value:.4g}"


def listed(row: Row) -> dict[str, Any]:
    """Values of a stamp for the table of the page."""
    values = {name: row[f"sig_{name}"] for name in ("freq_mhz", "drift_rate_hz_s", "drift_steps")}
    return {**row, **values, "stored_snr": row["sig_snr"]}


def panels_of(stamp: Stamp, row: Row) -> list[Panel]:
    """Waterfalls of a stamp: its best beam, the classic sum, the weighted one where it differs."""
    classic = stamp.classic_incoherent()
    if stamp.recipe is None:
        return [Panel("Classic incoherent", classic)]
    weighted = stamp.weighted_incoherent()
    panels = []
    if stamp.best_beam is not None:
        panels.append(Panel(f"Best beam: {stamp.best_beam}", stamp.beam(stamp.best_beam)))
    elif row["best_coherent"] is not None:
        number = row["best_coherent"]
        panels.append(Panel(f"Strongest coherent beam: {number}", stamp.beam(number)))
    panels.append(Panel("Classic incoherent", classic))
    if abs(weighted.sum() / classic.sum() - 1) > WEIGHTED_DIFFERS:
        panels.append(Panel("Weighted incoherent", weighted))
    return panels


def line_of(stamp: Stamp) -> Line | None:
    """Where the line of a stamp's signal runs."""
    path, signal = stamp.path(), stamp.metadata.signal
    return None if path is None or signal is None else Line(float(path[0]), signal.driftSteps)


def view_of(stamp: Stamp, row: Row, mine: Sequence[Row], per_side: int) -> AntennaView:
    """What the figure of antennas shows."""
    cut = cut_of(stamp, per_side)
    n_ant = stamp.metadata.numAntennas
    matrix = np.zeros((n_ant, n_ant))
    if cut is not None:
        matrix[np.ix_(cut.antennas, cut.antennas)] = correlations(cut.on_path)
    recipe = stamp.recipe
    places = None
    if recipe is not None:
        frame = recipe.position_frame
        places = places_on_ground(recipe.antenna_positions, recipe.longitude, recipe.latitude, frame)
    return AntennaView(
        names=[antenna["name"] for antenna in mine],
        powers=stamp.antenna_powers(),
        snr=np.array([_real(antenna["snr"], math.nan) for antenna in mine]),
        places=places,
        expected=_real(row["snr_coherent"], math.nan) / n_ant,
        above=SEEN,
        correlation=matrix,
    )


def stamp_facts(row: Row) -> list[tuple[str, object]]:
    """Numbers beside the pictures of a stamp."""
    facts: list[tuple[str, object]] = [
        ("Hit", _hit_link(row)),
        ("File", Path(row["file"]).name),
        ("Message, byte", f"{row['position']}, {row['offset']}"),
        ("Start", f"{row['tstart_unix']:.3f} s Unix, MJD {row['tstart_mjd']:.6f} (UTC)"),
        ("Recipe", Path(row["recipe_file"]).name if row["recipe_file"] else "none"),
        ("chosen by", row["recipe_reason"]),
        ("Detector's beam", f"{row['sig_beam']} ({row['sig_beam_kind']})"),
        ("Drift steps", row["sig_drift_steps"]),
    ]
    return [*facts, *((name, _number(row[name])) for name in FACTS)]


def _hit_link(row: Row) -> object:
    if not row["hit_id"]:
        return "none"
    return Markup(
        f"{link('hits.html#' + anchor(row['hit_id']), row['hit_id'])} ({escape(row['match_kind'])})"
    )


def _number(value: Any) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def stamp_items(
    stamps: Sequence[Row], tables: Mapping[str, Any], sheets: Sheets, per_side: int, max_message: int
) -> Iterator[Item]:
    """Items of stamps, drawn while their file is read."""
    by_file: dict[str, list[Row]] = {}
    for row in stamps:
        by_file.setdefault(row["file"], []).append(row)
    mine: dict[str, list[Row]] = {row["stamp_id"]: [] for row in stamps}
    beams: dict[str, list[Row]] = {row["stamp_id"]: [] for row in stamps}
    for name, found in (("antennas", mine), ("beams", beams)):
        for entry in tables[name]:
            if entry["stamp_id"] in found:
                found[entry["stamp_id"]].append(entry)
    for file, rows in by_file.items():
        choices = load_choices([m for m in tables["messages"] if m["file"] == file])
        wanted = {row["position"]: row for row in rows}
        for stamp in read_chosen(Path(file), choices, max_message):
            if not isinstance(stamp, Stamp) or stamp.position not in wanted:
                continue
            row = wanted[stamp.position]
            stamp_id = row["stamp_id"]
            pictures = draw_stamp(stamp, row, mine[stamp_id], sheets, per_side)
            yield Item(stamp_id, listed(row), stamp_facts(row), pictures, beams[stamp_id])


def draw_stamp(stamp: Stamp, row: Row, mine: Sequence[Row], sheets: Sheets, per_side: int) -> list[Picture]:
    """Both pictures of a stamp."""
    meta = stamp.metadata
    axis = Axis(meta.fch1, meta.foff * 1e6, meta.tsamp, meta.numTimesteps, meta.numChannels)
    title = title_of(listed(row), sheets.settings.title)
    name = f"stamp_{row['part']}_{row['position']:05d}"
    return [
        sheets.waterfall(panels_of(stamp, row), axis, line_of(stamp), title, name),
        sheets.antennas(view_of(stamp, row, mine, per_side), title, name),
    ]


def hit_items(hits: Sequence[Row], sheets: Sheets, max_message: int) -> Iterator[Item]:
    """Items of hits that carry data."""
    by_file: dict[str, list[Row]] = {}
    for row in hits:
        by_file.setdefault(row["file"], []).append(row)
    for file, rows in by_file.items():
        mapped = MappedFile(file)
        frames = index_frames(mapped.buffer, max_message).frames
        columns, _ = decode_hits(mapped.buffer, [frames[row["position"]] for row in rows])
        for number, row in enumerate(rows):
            power = cut_out(mapped.buffer, columns, number)
            assert power is not None
            axis = Axis(row["fch1_mhz"], row["foff_hz"], row["tsamp_s"], power.shape[0], power.shape[1])
            values = {**row, "stored_snr": row["snr"]}
            line = None
            if row["freq_mhz"] is not None:
                column = (row["freq_mhz"] - row["fch1_mhz"]) * 1e6 / row["foff_hz"]
                line = Line(column, row["drift_steps"])
            title = title_of(values, sheets.settings.title)
            name = f"Hit, beam {row['beam']}" if row["beam"] is not None else "Hit"
            panels = [Panel(name, power.astype(np.float64))]
            picture = sheets.waterfall(panels, axis, line, title, f"hit_{row['position']:06d}")
            yield Item(row["hit_id"], values, hit_facts(row), [picture])


def hit_facts(row: Row) -> list[tuple[str, object]]:
    """Numbers beside the picture of a hit."""
    return [
        ("File", Path(row["file"]).name),
        ("Message, byte", f"{row['position']}, {row['offset']}"),
        ("Start", f"MJD {row['tstart_mjd']:.6f} (UTC)"),
        ("Drift steps", row["drift_steps"]),
        ("Path power", _number(row["path_power"])),
        ("Edges", f"{_number(row['edge_mean'])} +- {_number(row['edge_std'])}"),
        ("edge_q", _number(row["edge_q"])),
        ("legacy SNR", _number(row["snr_local_legacy"])),
        ("Filters", "kept" if row["kept"] else row["reason"]),
    ]


def listed_hits(hits: Sequence[Row]) -> list[Row]:
    """Hits for the page of hits: those with a stamp first, then kept ones by SNR; in order of position."""
    ranked = sorted(
        hits, key=lambda row: (row["stamp_id"] is None, not row["kept"], -_real(row["snr"], -math.inf))
    )
    return sorted(ranked[:MOST_HITS], key=lambda row: row["position"])


def main(job: Job) -> None:
    """Write the gallery of one observation."""
    settings: Settings = job.settings
    folder: Path = job.output.pages
    folder.mkdir(parents=True)
    declarations = {"messages": MESSAGES, "hits": FILTERED_HITS, "stamps": MATCHED_STAMPS}
    declarations |= {"antennas": ANTENNAS, "beams": BEAMS, "filter_counts": FILTER_COUNTS}
    declarations |= {"bad_inputs": BAD_INPUTS}
    tables = {name: read(getattr(job.input, name), d).to_pylist() for name, d in declarations.items()}
    shown = chosen(tables["stamps"], settings.gallery_max)
    lone = [row for row in tables["hits"] if row["has_data"] and row["stamp_id"] is None]
    lone.sort(key=lambda row: (not row["kept"], -_real(row["snr_local"], -math.inf)))
    lone_shown = sorted(lone[: settings.gallery_max - len(shown)], key=lambda row: row["position"])
    sheets, limit = Sheets(folder, settings), job.settings.max_message_mb * MIB
    items = list(stamp_items(shown, tables, sheets, job.settings.edge_columns, limit))
    items += hit_items(lone_shown, sheets, limit)
    left_out = len(tables["stamps"]) - len(shown) + len(lone) - len(lone_shown)
    prefix = job.wildcards.prefix
    n_stamps, n_hits = len(tables["stamps"]), len(tables["hits"])
    remarks = [f"{n_stamps} stamps; {n_hits} hits, {len(lone)} with data but without a stamp."]
    if left_out:
        remarks.append(f"{left_out} of lower SNR are not shown (cosmic.gallery.gallery_max).")
    book = Book(
        observation=prefix,
        title=settings.title or f"Stamps and hits of {prefix}",
        items=items,
        counts=tables["filter_counts"],
        bad_inputs=tables["bad_inputs"],
        left_out=left_out,
        show_path=settings.show_path,
        remarks=remarks,
    )
    for name, text in book_pages(book, settings.per_page).items():
        write_text(folder / name, text)
    write_text(folder / "hits.html", hits_page(f"Hits of {prefix}", listed_hits(tables["hits"]), n_hits))
    log.info("%d items on the pages", len(items))
