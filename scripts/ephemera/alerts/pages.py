"""A page for each locus that the night touched, and an index that sorts.

Reads the night's loci with their history and conflicts. Makes a folder of HTML pages without scripts from
elsewhere: light curve with limits and negative differences, offsets on the sky, tags, matches, identifiers.
"""

from __future__ import annotations

import json
import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts import store
from ephemera.alerts.drawing import Point, light_curve, sky_offsets
from ephemera.alerts.loci import value_of
from ephemera.alerts.outcomes import Kind
from ephemera.pages import Cell, Heading, Markup, link, page, section, table
from ephemera.pages.drawing import STYLE, facts
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, unit_vectors

if TYPE_CHECKING:
    from ephemera.config.alerts import Pages as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Names of pages are those of loci, which are letters and digits.
_NAME = re.compile(r"[A-Z0-9]{1,32}")
_FIELDS = ("mjd_utc", "mag", "mag_err", "maglim", "band", "kind", "sign", "ra", "dec", "alert_key", "flux")


def points_of(alerts: Sequence[Mapping[str, Any]], ra: float, dec: float) -> list[Point]:
    """What is drawn of a locus's alerts: magnitudes, limits, offsets from the mean."""
    points = []
    for alert in alerts:
        value = alert["maglim"] if alert["kind"] == Kind.LIMIT else alert["mag"]
        if value is None or alert["mjd_utc"] is None:
            continue
        east = north = None
        if alert["kind"] == Kind.DETECTION and alert["ra"] is not None:
            east, north = offsets(ra, dec, alert["ra"], alert["dec"])
        error = alert["mag_err"] if alert["kind"] != Kind.LIMIT else None
        points.append(
            Point(
                alert["mjd_utc"],
                value,
                error,
                alert["band"] or "?",
                alert["kind"],
                alert["sign"] or 0,
                east,
                north,
            )
        )
    return points


def offsets(ra0: float, dec0: float, ra: float, dec: float) -> tuple[float, float]:
    """Offsets east and north, arcsec, on the tangent plane at the first position."""
    difference = unit_vectors(ra, dec) - unit_vectors(ra0, dec0)
    a, d = np.radians(ra0), np.radians(dec0)
    east = np.array([-np.sin(a), np.cos(a), 0.0])
    north = np.array([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)])
    return float(difference @ east * ARCSEC_PER_RADIAN), float(difference @ north * ARCSEC_PER_RADIAN)


def chosen(loci: pa.Table, largest: int) -> list[dict[str, Any]]:
    """Loci with a page: tagged ones first, then those with most detections."""
    rows: list[dict[str, Any]] = loci.to_pylist()
    rows.sort(key=lambda row: (not row["tags"], -len(row["tags"] or ()), -row["n_det"], row["locus_id"]))
    return rows[:largest]


def locus_page(
    locus: Mapping[str, Any], alerts: Sequence[Mapping[str, Any]], conflicts: Sequence[Mapping[str, Any]],
    radius_arcsec: float, night: int,
) -> str:  # fmt: skip
    """The page of a locus."""
    points = points_of(alerts, locus["ra"], locus["dec"])
    curve = section("Light curve", light_curve(points), anchor="light-curve")
    sky = section("Positions", sky_offsets(points, radius_arcsec), anchor="positions")
    left = section("Locus", _facts(locus))
    body = [
        Markup(f"<p>{link('index.html', f'Loci of night {night}')}</p>"),
        curve,
        Markup(f'<div class="two">{sky}{left}</div>'),
        section("Tags", _tags(locus)),
        section("Properties", _properties(locus)),
        section("Catalogue matches", _matches(locus)),
    ]
    if conflicts:
        body.append(section("Conflicts", _conflicts(conflicts)))
    body.append(section("Alerts", _alerts(alerts)))
    return page(locus["locus_id"], Markup("\n".join(body)), styles=[STYLE])


def _facts(locus: Mapping[str, Any]) -> Markup:
    ids = "; ".join(f"{survey}: {', '.join(names)}" for survey, names in locus["object_ids"] or ())
    told = {
        "Right ascension": f"{locus['ra']:.7f} deg",
        "Declination": f"{locus['dec']:+.7f} deg",
        "Detections, limits, forced": f"{locus['n_det']}, {locus['n_limit']}, {locus['n_forced']}",
        "Scatter per axis": _arcsec(locus["scatter"]),
        "99 % separation": _arcsec(locus["sep99"]),
        "First detection": _mjd(locus["mjd_first"]),
        "Last detection": _mjd(locus["mjd_last"]),
        "Bands": ", ".join(locus["bands"] or ()),
        "Survey objects": ids or "none",
        "Flags": ", ".join(locus["flags"] or ()) or "none",
        "Founding alert": locus["founder_key"],
    }
    return facts(told)


def _arcsec(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f} arcsec"


def _mjd(value: float | None) -> str:
    return "none" if value is None else f"MJD {value:.5f}"


def _tags(locus: Mapping[str, Any]) -> Markup:
    rows = [(tag["name"], tag["filter"], tag["version"], tag["mjd_set"]) for tag in locus["tags"] or ()]
    if not rows:
        return Markup("<p>None.</p>")
    headings = (Heading("Tag"), Heading("Filter"), Heading("Version"), Heading("Set at", "MJD", numeric=True))
    return table(
        headings, [(n, f, v, _precise(m)) for n, f, v, m in rows], caption="Tags and when they were set"
    )


def _precise(mjd: float | None) -> Cell | None:
    return _fixed(mjd, 5)


def _fixed(value: float | None, digits: int) -> Cell | None:
    """A number with so many digits after the point, which sorts by its value."""
    return None if value is None else Cell(f"{value:.{digits}f}", value)


def _properties(locus: Mapping[str, Any]) -> Markup:
    rows = [(name, _shown(value_of(value))) for name, value in locus["properties"] or ()]
    if not rows:
        return Markup("<p>None.</p>")
    return table((Heading("Property"), Heading("Value")), rows, caption="What filters measured")


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _matches(locus: Mapping[str, Any]) -> Markup:
    rows = []
    for match in locus["matches"] or ():
        columns = json.loads(match["columns"] or "{}")
        text = ", ".join(f"{name} {value}" for name, value in columns.items())
        rows.append((match["catalogue"], match["sep_arcsec"], "yes" if match["nearest"] else "", text))
    if not rows:
        return Markup("<p>None within the radii of the catalogues.</p>")
    headings = (
        Heading("Catalogue"),
        Heading("Separation", "arcsec", numeric=True),
        Heading("Nearest"),
        Heading("Columns"),
    )
    return table(headings, rows, caption="Rows of catalogues")


def _conflicts(conflicts: Sequence[Mapping[str, Any]]) -> Markup:
    words = {"two_ids_in_locus": "two objects in this locus", "id_in_two_loci": "one object in two loci"}
    rows = [
        (words.get(c["what"], c["what"]), c["survey"], c["object_id"], c["other_object_id"],
         c["other_locus_id"], c["sep_arcsec"], c["overlap_d"])
        for c in conflicts
    ]  # fmt: skip
    headings = (
        Heading("What"), Heading("Survey"), Heading("Object"), Heading("Other object"),
        Heading("Other locus"),
        Heading("Separation", "arcsec", numeric=True), Heading("Overlap", "d", "negative: gap", numeric=True),
    )  # fmt: skip
    return table(headings, rows, caption="Where the survey's objects and this locus disagree")


def _alerts(alerts: Sequence[Mapping[str, Any]]) -> Markup:
    names = {0: "detection", 1: "limit", 2: "forced"}
    headings = (
        Heading("Time", "MJD", numeric=True), Heading("Kind"), Heading("Band"),
        Heading("Magnitude", "mag", numeric=True),
        Heading("Error", "mag", numeric=True), Heading("Flux", "nJy", "signed", numeric=True),
        Heading("Limit", "mag", numeric=True), Heading("Key"),
    )  # fmt: skip
    rows = [
        (
            _precise(a["mjd_utc"]),
            names.get(a["kind"], "?"),
            a["band"],
            a["mag"],
            a["mag_err"],
            a["flux"],
            a["maglim"],
            a["alert_key"],
        )
        for a in alerts
    ]
    return table(headings, rows, caption="All measurements, the newest last")


def index_page(
    loci: Sequence[Mapping[str, Any]], with_page: set[str], conflicted: set[str], night: int
) -> str:
    """The sortable index of the night's loci."""
    headings = (
        Heading("Locus"), Heading("RA", "deg", numeric=True), Heading("Dec", "deg", numeric=True),
        Heading("Detections", numeric=True), Heading("First", "MJD", numeric=True),
        Heading("Last", "MJD", numeric=True),
        Heading("Brightest", "mag", numeric=True), Heading("Range", "mag", numeric=True),
        Heading("Scatter", "arcsec", numeric=True), Heading("Tags"), Heading("Flags"), Heading("Objects"),
    )  # fmt: skip
    rows = []
    for locus in loci:
        name = locus["locus_id"]
        spread = None if locus["mag_max"] is None else locus["mag_max"] - locus["mag_min"]
        flags = [*(locus["flags"] or ()), *(["conflict"] if name in conflicted else [])]
        rows.append(
            (
                link(f"{name}.html", name) if name in with_page else name,
                Cell(f"{locus['ra']:.6f}", locus["ra"]), Cell(f"{locus['dec']:+.6f}", locus["dec"]),
                locus["n_det"], _precise(locus["mjd_first"]), _precise(locus["mjd_last"]),
                _fixed(locus["mag_min"], 3), _fixed(spread, 3), _fixed(locus["scatter"], 3),
                ", ".join(tag["name"] for tag in locus["tags"] or ()), ", ".join(flags),
                ", ".join(one for _, names in locus["object_ids"] or () for one in names),
            )
        )  # fmt: skip
    caption = f"{len(rows)} loci with a new alert; {len(with_page)} have a page"
    return page(
        f"Loci of night {night}", section("Loci", table(headings, rows, caption=caption)), styles=[STYLE]
    )


def write_pages(
    loci: pa.Table,
    history: pa.Table,
    conflicts: pa.Table,
    folder: Path,
    night: int,
    largest: int,
    radius: float,
) -> int:
    """Write the index and the pages of a night; returns the number of pages."""
    folder.mkdir(parents=True)
    selected = chosen(loci, largest)
    names = {row["locus_id"] for row in selected if _NAME.fullmatch(row["locus_id"])}
    mine = history.filter(pc.is_in(history["locus_id"], pa.array(sorted(names), pa.string())))
    mine = mine.take(pc.sort_indices(mine, sort_keys=[("mjd_utc", "ascending"), ("alert_key", "ascending")]))
    alerts: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in mine.select([*_FIELDS, "locus_id"]).to_pylist():
        alerts[row["locus_id"]].append(row)
    disputes: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for conflict in conflicts.to_pylist():
        for name in {conflict["locus_id"], conflict["other_locus_id"]}:
            disputes[name].append(conflict)
    for row in selected:
        name = row["locus_id"]
        if name in names:
            text = locus_page(row, alerts[name], disputes[name], radius, night)
            (folder / f"{name}.html").write_text(text, encoding="utf-8")
    everything = sorted(loci.to_pylist(), key=lambda row: (not row["tags"], row["locus_id"]))
    (folder / "index.html").write_text(index_page(everything, names, set(disputes), night), encoding="utf-8")
    return len(names)


def main(job: Job) -> None:
    """Write the pages of one night."""
    import pyarrow.parquet as pq

    from ephemera.alerts.associate import HISTORY

    settings: Settings = job.settings
    loci, conflicts = pq.read_table(job.input.loci), pq.read_table(job.input.conflicts)
    cells = store.cells_of_alerts(job.input.alerts)
    history = store.joined(store.read(job.input.state / "history", cells, HISTORY), HISTORY)
    night = int(job.wildcards.night)
    number = write_pages(
        loci,
        history,
        conflicts,
        job.output.pages,
        night,
        settings.max_pages if settings.enabled else 0,
        job.settings.radius_arcsec,
    )
    log.info("%d pages", number)
