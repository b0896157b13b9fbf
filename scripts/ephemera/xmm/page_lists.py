"""Pages that lead to others: home, observations, sources, detections, types, filters, changes, figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ephemera.pages import Heading, Markup, escape, link, section, table
from ephemera.words import counted
from ephemera.xmm.page_data import Report, Row
from ephemera.xmm.page_parts import (
    detection_table,
    figures,
    fixed,
    observation_link,
    paragraph,
    report_page,
    short,
    source_link,
    source_table,
)

#: Sources on the home page.
MOST_AT_HOME = 20


def home(report: Report) -> str:
    """The page on which the report opens."""
    expected = sum(run["n_false_expected"] or 0.0 for run in report.runs)
    numbers = (
        (len(report.observations), "observations"),
        (len(report.runs), "runs"),
        (len(report.detections), "detections"),
        (len(report.sources), "unique sources"),
        (f"{expected:.3g}", "cells expected by chance"),
    )
    items = "".join(f"<li><b>{escape(number)}</b>{name}</li>" for number, name in numbers)
    parts = [
        Markup(f'<ul class="numbers">{items}</ul>'),
        section(
            "Most significant sources",
            source_table(report, report.ranked[:MOST_AT_HOME], "", "Sources by their best detection"),
        ),
        section("How lists and runs ended", _outcome_counts(report), anchor="outcomes"),
    ]
    if report.catalogues:
        parts.append(section("Catalogues matched with", _catalogues(report), anchor="catalogues"))
    if report.recovery is not None:
        parts.append(section("Simulated and found", _recovery(report.recovery), anchor="recovery"))
    if report.candidates:
        parts.append(section("Observations to look at", _candidates(report), anchor="candidates"))
    parts.append(section("What this report holds", _contents(report), anchor="contents"))
    return report_page(report, f"X-ray bursts and eclipses: {report.project}", *parts, place="index.html")


def _contents(report: Report) -> Markup:
    """What was made, and what was not."""
    products = (
        ("types of sources (crossmatch with SIMBAD)", report.types),
        ("filters and their combinations", report.selections),
        ("count rates between observations", report.changes),
        ("figures of the sample", report.sample),
        ("figures of observations", any(report.figures.values())),
    )
    lines = [
        f"<li>{escape(name)}: {'here' if there else '<span class=absent>not made in this run</span>'}</li>"
        for name, there in products
    ]
    most = (
        f"Pages of sources: the {min(report.max_sources, len(report.sources))} most significant of "
        f"{len(report.sources)}; tables show at most {report.max_rows} rows, the catalogue has all."
    )
    return Markup(f"<ul>{''.join(lines)}</ul>{paragraph(most)}")


def _outcome_counts(report: Report) -> Markup:
    """How many lists and runs ended in each way."""
    counts = Counter(
        ("run" if row["run"] else "file" if row["file"] else "observation", row["outcome"])
        for row in report.outcomes
    )
    headings = (Heading("What"), Heading("Outcome"), Heading("Number", numeric=True))
    return table(headings, [(*key, n) for key, n in sorted(counts.items())], caption="Outcomes by name")


def _recovery(rows: Sequence[Row]) -> Markup:
    """What was simulated, and whether it was found."""
    headings = (
        Heading("Observation"),
        Heading("Kind"),
        Heading("Counts", numeric=True),
        Heading("Length", "s", numeric=True),
        Heading("Found"),
        Heading("Sigma", numeric=True),
        Heading("Offset", "arcsec", numeric=True),
        Heading("Runs", "", "Runs with a matching detection", numeric=True),
    )
    cells = [
        (
            row["obsid"], row["kind"], row["counts_kept"], fixed(row["t_stop"] - row["t_start"], 0),
            "yes" if row["found"] else "no", fixed(row["sigma"], 1), fixed(row["separation"], 1),
            row["n_runs"],
        )
        for row in rows
    ]  # fmt: skip
    found = sum(bool(row["found"]) for row in rows)
    return table(headings, cells, caption=f"{found} of {len(rows)} simulated bursts and eclipses found")


def _catalogues(report: Report) -> Markup:
    """How matching with each catalogue ended."""
    headings = (
        Heading("Catalogue"), Heading("Outcome"), Heading("Detail"), Heading("Sources matched", numeric=True),
        Heading("Detections matched", numeric=True),
    )  # fmt: skip
    cells = [
        (row["set"], row["outcome"], row["detail"], row["n_sources_matched"], row["n_detections_matched"])
        for row in report.catalogues
    ]
    return table(headings, cells, caption="Catalogues and how they answered")


def _candidates(report: Report) -> Markup:
    headings = (Heading("Observation"), Heading("Reason"), Heading("Evidence"))
    cells = [
        (observation_link(report, row["obsid"], ""), row["reason"], row["evidence"])
        for row in report.candidates
    ]
    return table(headings, cells, caption="Candidates for the table of bad observations; none is left out")


def observations(report: Report) -> str:
    """The table of observations."""
    headings = (
        Heading("Observation"),
        Heading("Object"),
        Heading("Date"),
        Heading("Cameras"),
        Heading("Span", "ks", numeric=True),
        Heading("Subsets", numeric=True),
        Heading("Detections", numeric=True),
        Heading("Expected by chance", "", "Significant cells that chance alone gives", numeric=True),
        Heading("Outcomes of runs"),
    )
    runs: dict[str, list[Row]] = {}
    for run in report.runs:
        runs.setdefault(run["obsid"], []).append(run)
    cells = []
    for obsid, observed in sorted(report.observations.items()):
        mine = runs.get(obsid, [])
        first = observed.subsets[0] if observed.subsets else {}
        span = sum(float(str(subset["span"])) for subset in observed.subsets) / 1e3
        ended = Counter(run["outcome"] for run in mine)
        cells.append(
            (
                observation_link(report, obsid, ""), first.get("object"), first.get("date"),
                first.get("cameras"), fixed(span, 1), len(observed.subsets),
                len(report.by_observation.get(obsid, ())),
                short(sum(run["n_false_expected"] or 0.0 for run in mine)),
                ", ".join(f"{name} {n}" for name, n in sorted(ended.items())),
            )
        )  # fmt: skip
    body = table(headings, cells, caption=counted(len(cells), "observation"))
    return report_page(report, "Observations", body, place="observations.html")


def sources(report: Report) -> str:
    """The table of sources."""
    body = source_table(report, report.ranked, "", counted(len(report.sources), "source"))
    return report_page(report, "Sources", body, place="sources.html")


def detections(report: Report) -> str:
    """The table of detections."""
    rows = [row for source in report.ranked for row in report.by_source.get(source["srcid"], ())]
    body = detection_table(report, rows, "", counted(len(rows), "detection"))
    return report_page(report, "Detections", body, place="detections.html")


def types(report: Report) -> str:
    """The table of SIMBAD types."""
    headings = (
        Heading("Type", "", "SIMBAD"),
        Heading("Sources", numeric=True),
        Heading("Share", "%", numeric=True),
    )
    total = len(report.sources)
    cells = [
        (link(f"type/{report.type_pages[otype]}", otype), len(rows), fixed(100 * len(rows) / total, 1))
        for otype, rows in report.types.items()
    ]
    without = total - sum(len(rows) for rows in report.types.values())
    body = table(
        headings,
        [*cells, ("no match", without, fixed(100 * without / max(total, 1), 1))],
        caption="Types of the nearest SIMBAD objects",
    )
    return report_page(report, "Types of sources", body, place="types.html")


def type_page(report: Report, otype: str) -> str:
    """Sources of one type."""
    body = source_table(report, report.types[otype], "../", f"Sources whose nearest SIMBAD object is {otype}")
    return report_page(report, f"Type {otype}", body, place=f"type/{report.type_pages[otype]}")


def filters(report: Report) -> str:
    """Filters alone and combined."""
    assert report.selections is not None
    alone = [
        (row["filter"], row["group"], row["conditions"], row["n_kept"], row["n_removed"], row["n_unknown"],
         row["n_sources"])
        for row in report.selections.filters
    ]  # fmt: skip
    headings = (
        Heading("Filter"), Heading("Group", "", "A combination holds at most one of a group"),
        Heading("What must hold"), Heading("Kept", numeric=True), Heading("Removed", numeric=True),
        Heading("Unknown", "", "Removed because a value is missing", numeric=True),
        Heading("Sources", numeric=True),
    )  # fmt: skip
    pages = {row["combination"]: f"filter/{row['combination']}.html" for row in report.filter_pages}
    shown = sorted(report.selections.combinations, key=lambda r: (r["n_filters"], r["combination"]))
    total = len(shown)
    shown = shown[: report.max_rows]
    combined = [
        (
            link(pages[number], row["name"]) if (number := row["combination"]) in pages else row["name"],
            row["n_filters"], row["n_detections"], row["n_sources"],
        )
        for row in shown
    ]  # fmt: skip
    heads = (Heading("Combination"), Heading("Filters", numeric=True), Heading("Detections", numeric=True),
             Heading("Sources", numeric=True))  # fmt: skip
    caption = f"{total} combinations, fewest filters first; the first {len(pages)} have a page"
    return report_page(
        report, "Filters",
        section("Filters alone", table(headings, alone, caption="What each filter keeps", name="filters")),
        section("Combinations", table(heads, combined, caption=caption, name="combinations")),
        place="filters.html",
    )  # fmt: skip


def filter_page(report: Report, combination: Row) -> str:
    """Detections and sources that a combination keeps."""
    assert report.selections is not None
    kept = report.selections.detids(combination)
    rows = [
        row
        for source in report.ranked
        for row in report.by_source.get(source["srcid"], ())
        if kept is None or row["detid"] in kept
    ]
    numbers = {row["srcid"] for row in rows}
    chosen = [source for source in report.ranked if source["srcid"] in numbers]
    of_sources, of_rows = (
        counted(len(chosen), "source"),
        counted(len(rows), "detection"),
    )
    return report_page(
        report, f"Filter {combination['name']}",
        section("Sources", source_table(report, chosen, "../", of_sources)),
        section("Detections", detection_table(report, rows, "../", of_rows)),
        place=f"filter/{combination['combination']}.html",
    )  # fmt: skip


def changes(report: Report) -> str:
    """Sources whose count rate was compared between observations."""
    headings = (
        Heading("Source"), Heading("RA", "deg", numeric=True), Heading("Dec", "deg", numeric=True),
        Heading("Observations", numeric=True),
        Heading("Least rate", "ct/s", numeric=True), Heading("Largest rate", "ct/s", numeric=True),
        Heading("Ratio", numeric=True), Heading("Ratio at least", "", "3 sigma", numeric=True),
        Heading("Significance", "sigma", numeric=True), Heading("Variable"),
    )  # fmt: skip
    ranked = sorted(report.changes, key=lambda row: (-(row["significance"] or 0.0), row["ltid"]))
    cells = [
        (
            source_link(report, row["srcid"], "") if row["srcid"] is not None else row["name"],
            fixed(row["ra"], 5), fixed(row["dec"], 5, sign=True), row["n_obs"],
            short(row["rate_min"]), short(row["rate_max"]), short(row["ratio"]), short(row["ratio_low"]),
            fixed(row["significance"], 1), "yes" if row["variable"] else "no",
        )
        for row in ranked[: report.max_rows]
    ]  # fmt: skip
    caption = f"{len(ranked)} sources in more than one observation, the most significant change first"
    body = table(headings, cells, caption=caption, name="changes")
    return report_page(report, "Changes between observations", body, place="changes.html")


def sample(report: Report) -> str:
    """Figures over all observations, by what they are about."""
    groups: dict[str, list[Row]] = {}
    for row in report.sample:
        groups.setdefault(row["section"], []).append(row)
    parts = []
    for title, rows in groups.items():
        parts.append(section(title, figures([(f"sample/{row['file']}", row["caption"]) for row in rows])))
    return report_page(report, "Figures of the sample", *parts, place="sample.html")


#: What makes each page that all pages lead to (`page_parts.WAYS`).
PAGES: Mapping[str, Callable[[Report], str]] = {
    "index.html": home,
    "observations.html": observations,
    "sources.html": sources,
    "detections.html": detections,
    "types.html": types,
    "filters.html": filters,
    "changes.html": changes,
    "sample.html": sample,
}
