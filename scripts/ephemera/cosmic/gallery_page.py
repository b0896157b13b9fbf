"""Pages of a gallery: a table of what is shown, then each stamp or hit with pictures, numbers and a note."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ephemera.cosmic.gallery_script import SCRIPT, STYLE
from ephemera.pages import Cell, Heading, Markup, embed_json, escape, figure_tag, link, page, section, table

#: Columns of the table: heading, unit, what it says, whether it is a number, key of the item's row.
_COLUMNS: tuple[tuple[str, str, str, bool, str], ...] = (
    ("Class", "", "Verdict", False, "class"),
    ("Confidence", "", "low when something speaks for caution", False, "confidence"),
    ("SNR", "", "Signal to noise of the detector", True, "stored_snr"),
    ("Local SNR", "", "Path against the edges of the cut-out, best beam", True, "snr_local"),
    ("Zc", "", "Largest local SNR of a coherent beam", True, "snr_coherent"),
    ("Zi", "", "Local SNR of the incoherent sum", True, "snr_incoherent"),
    ("g", "", "Gain index: 1 sky, -1 one antenna", True, "gain_index"),
    ("Frequency", "MHz", "At the first time step", True, "freq_mhz"),
    ("Drift", "Hz/s", "Drift rate", True, "drift_rate_hz_s"),
    ("Antenna", "", "Antenna of largest SNR", False, "ant_max"),
    ("Its SNR", "", "Local SNR of that antenna", True, "snr_max"),
    ("Antennas", "", "Effective number of antennas in the excess power", True, "n_eff"),
    ("Flags", "", "What is special", False, "flags"),
)


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption, and lines (shares of width and height) that can be shown over it."""

    image: bytes
    caption: str
    lines: Sequence[Sequence[float]] = ()
    shape: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Item:
    """A stamp or a hit: its id, values for the table, facts for its own place, pictures, table of beams."""

    name: str
    row: Mapping[str, Any]
    facts: Sequence[tuple[str, object]]
    pictures: Sequence[Picture] = ()
    beams: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class Book:
    """A gallery: name of the observation, title, items in order, the tables below them."""

    observation: str
    title: str
    items: Sequence[Item]
    counts: Sequence[Mapping[str, Any]] = ()
    bad_inputs: Sequence[Mapping[str, Any]] = ()
    left_out: int = 0
    show_path: bool = True
    remarks: Sequence[str] = field(default_factory=tuple)


def anchor(name: str) -> str:
    """Anchor of an item in its page."""
    return "item-" + "".join(sign if sign.isalnum() else "-" for sign in name)


def page_name(number: int) -> str:
    """File of a page; the first is page 0."""
    return "gallery.html" if number == 0 else f"gallery-{number + 1}.html"


def book_pages(book: Book, per_page: int) -> dict[str, str]:
    """All pages by file name; the first has the table of all items."""
    count = max(1, math.ceil(len(book.items) / per_page))
    groups = [book.items[k * per_page : (k + 1) * per_page] for k in range(count)]
    pages = {}
    for number, group in enumerate(groups):
        listed = [(item, k) for k, items in enumerate(groups) for item in items] if number == 0 else []
        body = _body(book, group, listed or [(item, number) for item in group], number, count)
        pages[page_name(number)] = page(book.title, body, scripts=[SCRIPT], styles=[STYLE])
    return pages


def _body(
    book: Book, group: Sequence[Item], listed: Sequence[tuple[Item, int]], number: int, count: int
) -> Markup:
    classes = {item.name: str(item.row.get("class") or "") for item in book.items}
    parts = [
        embed_json("gallery-data", {"observation": book.observation, "classes": classes}),
        Markup("".join(f"<p>{escape(remark)}</p>" for remark in book.remarks)),
        _bar(book, number, count),
        section("Stamps and hits", _list(listed, number), anchor="list"),
        *(_item(item) for item in group),
    ]
    if number == 0:
        parts += [_filters(book), _bad_inputs(book)]
    return Markup("".join(parts))


def _bar(book: Book, number: int, count: int) -> Markup:
    pages = "".join(
        f"<strong>{k + 1}</strong> " if k == number else f"{link(page_name(k), k + 1)} " for k in range(count)
    )
    shown = f"<span>Page {pages}</span>" if count > 1 else ""
    checked = " checked" if book.show_path else ""
    return Markup(
        '<div class="bar"><button type="button" id="previous-item">Previous</button>'
        '<button type="button" id="next-item">Next</button>'
        f'<label><input type="checkbox" id="show-path"{checked}> drift path</label>'
        '<button type="button" id="export-notes">Export notes (CSV)</button>'
        f"{link('#list', 'Table')}{shown}"
        '<span class="keys"><kbd>n</kbd> next, <kbd>p</kbd> previous, <kbd>t</kbd> path</span>'
        '<span id="storage" role="status"></span></div>\n'
    )


def _list(listed: Sequence[tuple[Item, int]], number: int) -> Markup:
    headings = [Heading("Stamp or hit"), *(Heading(n, u, d, k) for n, u, d, k, _ in _COLUMNS)]
    headings.append(Heading("Note"))
    rows = []
    for item, where in listed:
        target = ("" if where == number else page_name(where)) + "#" + anchor(item.name)
        note = Markup(f'<span data-note-of="{escape(item.name)}"></span>')
        cells: list[object] = [Cell(link(target, item.name), item.name)]
        rows.append([*cells, *(_shown(item.row.get(key), key) for *_, key in _COLUMNS), note])
    return table(headings, rows, name="stamps", caption=f"{len(rows)} shown, in the order of the files")


def _shown(value: Any, key: str) -> object:
    if key == "freq_mhz" and value is not None:
        return Cell(f"{value:.6f}", value)
    if isinstance(value, float) and math.isfinite(value):
        return Cell(f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}", value)
    return value


def _item(item: Item) -> Markup:
    name = escape(item.name)
    verdict = item.row.get("class")
    text = ""
    if verdict:
        reasons = escape(item.row.get("reasons"))
        confidence = escape(item.row.get("confidence"))
        text = f'<p><span class="verdict {confidence}">{escape(verdict)}</span>: {reasons}</p>'
    facts = "".join(f"<div><dt>{escape(n)}</dt><dd>{escape(v)}</dd></div>" for n, v in item.facts)
    pictures = "".join(map(_picture, item.pictures))
    return Markup(
        f'<article class="item" id="{anchor(item.name)}" tabindex="-1"><h3>{name}</h3>{text}{pictures}'
        f'<dl class="facts">{facts}</dl>{_beams(item)}'
        f'<label>Note <textarea class="note" data-id="{name}" rows="1"></textarea></label></article>\n'
    )


def _picture(picture: Picture) -> Markup:
    image = figure_tag(picture.image, picture.caption)
    if not picture.lines:
        return image
    width, height = picture.shape
    lines = "".join(
        f'<line x1="{x0 * width:.3f}" y1="{y0 * height:.3f}" x2="{x1 * width:.3f}" y2="{y1 * height:.3f}"/>'
        for x0, y0, x1, y1 in picture.lines
    )
    drawn = f'<svg viewBox="0 0 {width:g} {height:g}" aria-hidden="true">{lines}</svg>'
    return Markup(f'<div class="view">{image}{drawn}</div>')


def _beams(item: Item) -> Markup:
    if not item.beams:
        return Markup("")
    columns = (("snr", "Local SNR"), ("snr_legacy", "legacy"), ("power_path", "Power"), ("edge_q", "edge_q"))
    head = "".join(f'<th scope="col">{escape(title)}</th>' for _, title in columns)
    rows = "".join(
        f"<tr><td>{escape(beam['kind'])} {escape(beam['beam'])} {escape(beam['source'])}</td>"
        + "".join(f'<td class="number">{_number(beam[key])}</td>' for key, _ in columns)
        + "</tr>"
        for beam in item.beams
    )
    inside = f'<table><thead><tr><th scope="col">Beam</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return Markup(f'<details><summary>Beams</summary><div class="scroll">{inside}</div></details>')


def _number(value: Any) -> str:
    return "" if value is None or value != value else f"{value:.6g}"


def _filters(book: Book) -> Markup:
    names = ("step", "parameters", "n_in", "n_out", "n_removed", "by_reason")
    headings = [
        Heading("Filter"),
        Heading("Options"),
        Heading("Hits before", numeric=True),
        Heading("after", numeric=True),
        Heading("removed", numeric=True),
        Heading("by reason"),
    ]
    return section("Hits before and after each filter", table(headings, _rows(book.counts, names)))


def _bad_inputs(book: Book) -> Markup:
    names = ("file", "kind", "position", "offset", "code", "message", "action")
    if not book.bad_inputs:
        return section("Bad inputs", Markup("<p>None.</p>\n"))
    headings = [Heading(name.capitalize(), numeric=name in ("position", "offset")) for name in names]
    return section("Bad inputs", table(headings, _rows(book.bad_inputs, names)))


def hits_page(title: str, hits: Sequence[Mapping[str, Any]], n_hits: int) -> str:
    """A page with a table of hits, each with an anchor; `n_hits` are all of the observation."""
    headings = [
        Heading("Hit"),
        Heading("Frequency", "MHz", numeric=True),
        Heading("Drift", "Hz/s", numeric=True),
        Heading("SNR", numeric=True),
        Heading("Local SNR", numeric=True),
        Heading("Beam", numeric=True),
        Heading("Kind"),
        Heading("Stamp"),
        Heading("Filters"),
        Heading("Repeats", numeric=True),
        Heading("Byte", numeric=True),
        Heading("Flags"),
    ]
    rows = []
    for hit in hits:
        name = Markup(f'<span id="{anchor(hit["hit_id"])}">{escape(hit["hit_id"])}</span>')
        numbers = [_shown(hit[key], key) for key in ("freq_mhz", "drift_rate_hz_s", "snr", "snr_local")]
        rest = (hit["beam"], hit["beam_kind"], hit["stamp_id"], "kept" if hit["kept"] else hit["reason"])
        rows.append(
            [Cell(name, hit["position"]), *numbers, *rest, hit["n_repeats"], hit["offset"], hit["flags"]]
        )
    caption = f"{len(rows)} of {n_hits} hits"
    return page(title, section("Hits", table(headings, rows, name="hits", caption=caption)))


def _rows(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[object]]:
    return [[row[name] for name in names] for row in rows]
