"""Parts that the pages of the report share: the way around, tables of sources and detections, the style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ephemera.pages import Cell, Heading, Markup, escape, link, page, table
from ephemera.pages.drawing import STYLE as DRAWING_STYLE
from ephemera.xmm.crossmatch_presets import SIMBAD
from ephemera.xmm.page_data import Report, Row, sigma_of

#: The page of sky surveys that a click on a source page loads; nothing else is ever asked.
ALADIN = "https://aladin.cds.unistra.fr"

STYLE = (
    DRAWING_STYLE
    + """
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; list-style: none; padding: 0; margin: .6rem 0; }
nav a[aria-current] { font-weight: 600; text-decoration: none; color: inherit; }
.wide svg { min-width: 640px; } .wide { max-height: none; padding: .4rem; }
.figures { display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(30rem, 100%), 1fr)); }
.figures figure { margin: 0; min-width: 0; } .absent { font-style: italic; }
.numbers { display: flex; flex-wrap: wrap; gap: .6rem 2rem; padding: 0; list-style: none; }
iframe.sky { width: 100%; height: 24rem; border: 1px solid var(--line); }
.numbers b { font-size: 1.5rem; display: block; line-height: 1.2; }
"""
)

#: Captions of figures by the first words of their file, in the order in which a page shows them.
CAPTIONS = (
    (
        "image_",
        "Counts, masks of known sources, and what was found. Numbers are places, the most significant first.",
    ),
    ("templates_", "What the expectation is made of, and what it leaves."),
    ("flare_curve_", "Background above 10 keV, its threshold, and the bad times."),
    ("outcome", "How lists and runs ended."),
    ("bright_", "Light curve of a bright source, varying or not."),
    ("raw_", "Events in raw pixels of each CCD."),
    ("frames_", "Frames around a detection, one after the other."),
    ("pixels_", "Light curves of the pixels around a detection."),
    ("spectrum_", "Spectrum of the burst, background taken off, and hardness from frame to frame."),
    ("light_curve_", "Light curve: counts, expectation, and the range in which counts are no detection."),
)


def caption_of(name: str) -> str | None:
    """Caption of a figure; None for a file that is no figure."""
    if not name.endswith((".png", ".gif")):
        return None
    for first, caption in CAPTIONS:
        if name.startswith(first):
            detid = name.removeprefix(first).rsplit(".", 1)[0]
            return (
                f"{caption} {detid}"
                if first in ("frames_", "pixels_", "spectrum_", "light_curve_")
                else caption
            )
    return None


#: Pages that every page leads to: name, file, what there must be.
WAYS: tuple[tuple[str, str, str], ...] = (
    ("Home", "index.html", ""),
    ("Observations", "observations.html", ""),
    ("Sources", "sources.html", ""),
    ("Detections", "detections.html", ""),
    ("Types", "types.html", "types"),
    ("Filters", "filters.html", "selections"),
    ("Changes between observations", "changes.html", "changes"),
    ("Figures of the sample", "sample.html", "sample"),
)


def report_page(
    report: Report,
    title: str,
    *parts: Markup,
    place: str,
    scripts: Sequence[str] = (),
    policy: str | None = None,
) -> str:
    """A page of the report at `place`, its path in the folder of the report."""
    up = "../" * place.count("/")
    entries = []
    for name, file, needs in WAYS:
        if needs and not getattr(report, needs):
            continue
        here = ' aria-current="page"' if file == place else ""
        entries.append(f'<li><a href="{up}{file}"{here}>{name}</a></li>')
    ways = Markup(f'<nav aria-label="Report"><ul>{"".join(entries)}</ul></nav>')
    body = Markup("\n".join([ways, *parts]))
    options = {} if policy is None else {"policy": policy}
    return page(title, body, scripts=scripts, styles=[STYLE], **options)


def paragraph(text: object) -> Markup:
    """A paragraph."""
    return Markup(f"<p>{escape(text)}</p>")


def fixed(value: Any, digits: int, *, sign: bool = False) -> Cell | None:
    """A number with so many digits, which sorts by its value."""
    if value is None or value != value:
        return None
    return Cell(f"{value:{'+' if sign else ''}.{digits}f}", value)


def short(value: Any, digits: int = 3) -> Cell | None:
    """A number of any size with so many digits that count."""
    return None if value is None or value != value else Cell(f"{value:.{digits}g}", value)


def source_link(report: Report, srcid: int, up: str) -> object:
    """Name of a source, leading to its page if it has one."""
    name = report.names.get(srcid, str(srcid))
    return link(f"{up}source/{srcid}.html", name) if srcid in report.with_page else name


def observation_link(report: Report, obsid: str, up: str) -> object:
    """An observation, leading to its page."""
    return link(f"{up}observation/{obsid}.html", obsid) if obsid in report.observations else obsid


def figures(shown: Iterable[tuple[str, str]]) -> Markup:
    """Figures side by side, path and caption of each; a click shows one in its full size."""
    tags = []
    for path, caption in shown:
        image = f'<img loading="lazy" src="{escape(path)}" alt="{escape(caption)}">'
        tags.append(f"<figure>{link(path, Markup(image))}<figcaption>{escape(caption)}</figcaption></figure>")
    return Markup(f'<div class="figures">{"".join(tags)}</div>')


def flags_of(row: Row) -> str:
    """Names of the flags that are set, without their prefix."""
    return ", ".join(name.removeprefix("filt_") for name in row if name.startswith("filt_") and row[name])


def band_of(row: Row) -> str:
    """The band of a detection or run."""
    return f"{row['e_min']:g}-{row['e_max']:g}"


DETECTION_HEADINGS = (
    Heading("Detection"),
    Heading("Source"),
    Heading("Observation"),
    Heading("Type"),
    Heading("Sigma", "", "Largest significance of a cell", numeric=True),
    Heading("Frames", "s", numeric=True),
    Heading("Band", "keV"),
    Heading("RA", "deg", numeric=True),
    Heading("Dec", "deg", numeric=True),
    Heading("Error", "arcsec", numeric=True),
    Heading("Peak", "MJD", "Middle of the most significant frame, TT", numeric=True),
    Heading("Length", "s", numeric=True),
    Heading("Most", "count", "Most counts of a frame", numeric=True),
    Heading("Excess", "count", "Counts above, or missing, in the outburst", numeric=True),
    Heading("Hardness", "", "(H - S) / (H + S)", numeric=True),
    Heading("Flags"),
)


def detection_table(report: Report, rows: Sequence[Row], up: str, caption: str) -> Markup:
    """Detections; of more rows than a page can hold the first ones, with a word."""
    shown = rows[: report.max_rows]
    cells = [
        (
            row["detid"],
            source_link(report, row["srcid"], up),
            observation_link(report, row["obsid"], up),
            row["type"],
            fixed(sigma_of(row), 1),
            short(row["t_bin"], 6),
            band_of(row),
            fixed(row["ra"], 5),
            fixed(row["dec"], 5, sign=True),
            fixed(row["poserr"], 1),
            fixed(row["mjd_peak"], 5),
            fixed(row["duration"], 0),
            row["n_max"],
            fixed(row["counts_excess_q50"], 1),
            fixed(row["hr"], 2, sign=True),
            flags_of(row),
        )
        for row in shown
    ]
    return table(DETECTION_HEADINGS, cells, caption=_cut(caption, len(rows), len(shown)), name="detections")


def source_table(report: Report, rows: Sequence[Row], up: str, caption: str) -> Markup:
    """Sources with their best detection, and their type where sources were matched with SIMBAD."""
    typed = SIMBAD in report.matches
    headings = (
        Heading("Source"),
        Heading("RA", "deg", numeric=True),
        Heading("Dec", "deg", numeric=True),
        Heading("Error", "arcsec", numeric=True),
        Heading("Sigma", "", "Largest significance of a cell", numeric=True),
        Heading("Detections", numeric=True),
        Heading("Observations", numeric=True),
        Heading("First seen", "MJD", numeric=True),
        Heading("Last seen", "MJD", numeric=True),
        Heading("Hardness", "", "(H - S) / (H + S) of the best detection", numeric=True),
        *([Heading("Type", "", "SIMBAD")] if typed else []),
        Heading("Flags"),
    )
    shown = rows[: report.max_rows]
    cells = [
        (
            source_link(report, row["srcid"], up),
            fixed(row["ra"], 5),
            fixed(row["dec"], 5, sign=True),
            fixed(row["poserr"], 1),
            fixed(row["best_sigma"], 1),
            row["n_detections"],
            row["n_obs"],
            fixed(row["first_seen"], 4),
            fixed(row["last_seen"], 4),
            fixed(row["hr"], 2, sign=True),
            *([report.type_of(row["srcid"])] if typed else []),
            flags_of(row) + (" chain" if row["chain"] else ""),
        )
        for row in shown
    ]
    return table(headings, cells, caption=_cut(caption, len(rows), len(shown)), name="sources")


def _cut(caption: str, n: int, shown: int) -> str:
    return caption if n == shown else f"{caption}; the {shown} most significant of {n}"
