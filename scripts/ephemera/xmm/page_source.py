"""The page of a source: where it is, all its light curves on one time axis, what catalogues know of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from ephemera.pages import Heading, Markup, escape, link, section, table
from ephemera.pages.drawing import facts
from ephemera.pages.page import POLICY
from ephemera.words import counted
from ephemera.xmm.page_curves import SourceCurve, light_curves
from ephemera.xmm.page_data import Report, Row
from ephemera.xmm.page_parts import (
    ALADIN,
    caption_of,
    detection_table,
    figures,
    fixed,
    flags_of,
    observation_link,
    paragraph,
    report_page,
    short,
)
from ephemera.xmm.page_rates import long_term

#: Only the frame that a click opens may come from elsewhere.
SOURCE_POLICY = f"{POLICY}; frame-src {ALADIN}"
#: Opens the view of the sky surveys at a click; before it nothing is asked of anybody.
SKY_SCRIPT = """
document.querySelectorAll("button[data-sky]").forEach((button) => {
  button.addEventListener("click", () => {
    const frame = document.createElement("iframe");
    frame.src = button.dataset.sky;
    frame.title = "Sky surveys around the source";
    frame.className = "sky";
    button.replaceWith(frame);
    frame.focus();
  });
});
"""
#: Columns of a match that have a column of the table of their own.
_MATCH = ("id", "ra", "dec", "sep_arcsec", "ra_offset", "dec_offset", "n_within")


def source_page(report: Report, source: Row, curves: Sequence[SourceCurve]) -> str:
    """The page of one source."""
    srcid = source["srcid"]
    found = report.by_source.get(srcid, [])
    place = section("Source", facts(_told(report, source)), anchor="facts")
    parts = [
        section("Light curves", light_curves(curves), anchor="light-curves"),
        Markup(f'<div class="two">{place}{section("Sky", _sky(source), anchor="sky")}</div>'),
        section(
            "Detections",
            detection_table(report, found, "../", counted(len(found), "detection")),
        ),
        section("Crossmatches", _matches(report, srcid), anchor="crossmatches"),
    ]
    if report.rates.get(srcid):
        parts.append(section("Between observations", _rates(report, srcid), anchor="rates"))
    drawn = list(_drawn(report, found))
    if drawn:
        parts.append(section("Figures", figures(drawn), anchor="figures"))
    title, where = source["name"], f"source/{srcid}.html"
    return report_page(report, title, *parts, place=where, scripts=[SKY_SCRIPT], policy=SOURCE_POLICY)


def _told(report: Report, source: Row) -> dict[str, object]:
    """Facts of a source."""
    obsids = dict.fromkeys(row["obsid"] for row in report.by_source.get(source["srcid"], []))
    links = Markup(", ".join(escape(observation_link(report, obsid, "../")) for obsid in sorted(obsids)))
    otype = report.type_of(source["srcid"])
    page = report.type_pages.get(otype or "")
    return {
        "Number": source["srcid"],
        "Right ascension": f"{source['ra']:.6f} deg",
        "Declination": f"{source['dec']:+.6f} deg",
        "Error": f"{source['poserr']:.2f} arcsec (radial, 1 sigma)",
        "Best significance": f"{source['best_sigma']:.1f} sigma"
        if source["best_sigma"] is not None
        else None,
        "Best detection": source["best_detid"],
        "Detections": source["n_detections"],
        "Observations": links,
        "Largest separation": f"{source['max_sep']:.1f} arcsec" + (", a chain" if source["chain"] else ""),
        "First seen": _mjd(source["first_seen"]),
        "Last seen": _mjd(source["last_seen"]),
        "Outbursts": source["n_peaks_total"],
        "Hardness": f"{source['hr']:+.2f}" if source["hr"] is not None else None,
        "Type": link(f"../type/{page}", otype) if page else None,
        "Status": source.get("status"),
        "Flags": flags_of(source) or "none",
    }


def _mjd(value: float | None) -> str | None:
    return None if value is None else f"MJD {value:.5f} (TT)"


def sky_address(ra: float, dec: float) -> str:
    """Address of a view of the sky surveys at a position, 0.1 deg wide."""
    target = quote(f"{ra:.6f} {dec:+.6f}")
    return f"{ALADIN}/AladinLite/?target={target}&fov=0.1&survey={quote('P/DSS2/color', safe='')}"


def _sky(source: Row) -> Markup:
    """A button that shows the sky surveys here, and a link for those who prefer a page of their own."""
    address = escape(sky_address(source["ra"], source["dec"]))
    return Markup(
        f"<p>Sky surveys around the source. Nothing is loaded before you ask for it; then the page asks "
        f"{ALADIN.removeprefix('https://')}.</p>"
        f'<p><button type="button" data-sky="{address}">Show Aladin Lite here</button></p>'
        f'<p><a href="{address}" target="_blank" rel="noopener noreferrer">Open it in a new page</a></p>'
    )


def _matches(report: Report, srcid: int) -> Markup:
    """What the catalogues have here, one row a catalogue."""
    if not report.matches:
        return paragraph("No catalogue was matched with in this run (xmm.crossmatch.sets).")
    rows: list[tuple[object, ...]] = []
    for name, matches in report.matches.items():
        match = matches.get(srcid)
        if match is None or match.get(f"{name}_id") is None:
            rows.append((name, "no match", None, None, None, None, ""))
            continue
        known = {f"{name}_{column}" for column in _MATCH} | {"srcid"}
        others = ", ".join(
            f"{key.removeprefix(f'{name}_')} {value:.6g}" if isinstance(value, float) else
            f"{key.removeprefix(f'{name}_')} {value}"
            for key, value in match.items() if key not in known and value is not None
        )  # fmt: skip
        rows.append((
            name, match[f"{name}_id"], fixed(match[f"{name}_sep_arcsec"], 2),
            fixed(match[f"{name}_ra_offset"], 2, sign=True), fixed(match[f"{name}_dec_offset"], 2, sign=True),
            match[f"{name}_n_within"], others,
        ))  # fmt: skip
    headings = (
        Heading("Catalogue"), Heading("Nearest"), Heading("Separation", "arcsec", numeric=True),
        Heading("Offset in RA", "arcsec", "Source minus catalogue, on the sky", numeric=True),
        Heading("Offset in Dec", "arcsec", numeric=True),
        Heading("Within radius", "", "Objects of the catalogue within the radius", numeric=True),
        Heading("What it says"),
    )  # fmt: skip
    return table(headings, rows, caption="Nearest objects of catalogues", name="matches")


def _rates(report: Report, srcid: int) -> Markup:
    """Count rates of the steady source at this place."""
    rows = report.rates[srcid]
    headings = (
        Heading("Observation"), Heading("Middle", "MJD", numeric=True),
        Heading("Rate", "ct/s", numeric=True), Heading("Error", "ct/s", numeric=True),
    )  # fmt: skip
    cells = [
        (observation_link(report, row["obsid"], "../"), fixed(row["mjd"], 3), short(row["rate"], 4),
         short(row["rate_err"], 2))
        for row in rows
    ]  # fmt: skip
    return Markup(
        long_term(rows) + table(headings, cells, caption="Rates in the cameras that all have", name="rates")
    )


def _drawn(report: Report, found: Sequence[Row]) -> Iterable[tuple[str, str]]:
    """Path and caption of the figures of the detections of the source, as far as they were drawn."""
    for row in found:
        for name in report.figures.get(row["obsid"], ()):
            stem = name.rsplit(".", 1)[0]
            caption = caption_of(name)
            if caption and stem.endswith(f"_{row['detid']}"):
                yield f"../figures/{row['obsid']}/{name}", caption
