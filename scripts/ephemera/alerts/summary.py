"""All nights on one page: counts, tags, links to each night's report and loci; and what became of deliveries.

Reads the reports of all nights and the accounts of all deliveries. A delivery of which nothing could be used
belongs to no night: this is where it is told of.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemera.pages import Cell, Heading, Markup, address, declared_table, link, page, section, table
from ephemera.tables import Column, TableDeclaration, write
from ephemera.words import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.job import Job

log = logging.getLogger(__name__)

NIGHTS = TableDeclaration(
    "nights",
    "Nights of a project: what came in and what became of it.",
    (
        Column("night", "i4", None, "time.epoch;meta.main", "Night (whole days, MJD)"),
        Column("packets", "i8", None, "meta.number", "Packets delivered"),
        Column("alerts", "i8", None, "meta.number", "Alerts of them, each once"),
        Column("duplicates", "i8", None, "meta.number", "Packets that were known"),
        Column("rejected", "i8", None, "meta.number", "Packets that could not be used"),
        Column("new_loci", "i8", None, "meta.number", "Loci founded"),
        Column("old_loci", "i8", None, "meta.number", "Detections joined to loci of earlier nights"),
        Column("tagged", "i8", None, "meta.number", "Tags that loci of the night carry"),
        Column("conflicts", "i8", None, "meta.number", "Conflicts of loci with objects of a survey"),
        Column("warnings", "i8", None, "meta.number", "Warnings in the report"),
    ),
)
DELIVERIES = TableDeclaration(
    "deliveries",
    "Deliveries of a project: their packets and the nights they belong to.",
    (
        Column("delivery", "str", None, "meta.id;meta.main", "Delivery"),
        Column("packets", "i8", None, "meta.number", "Packets in it"),
        Column("decoded", "i8", None, "meta.number", "Packets that were decoded"),
        Column("rejected", "i8", None, "meta.number", "Packets that could not be used"),
        Column("reasons", "str", None, "meta.note", "Number of those by reason; the quarantine has each"),
        Column("nights", "i8", None, "meta.number", "Nights that have alerts of it"),
    ),
)


def row_of(report: Mapping[str, Any]) -> dict[str, int]:
    """A night in one line."""
    packets, association = report["packets"], report["association"]
    return {
        "night": report["night"],
        "packets": packets["in"],
        "alerts": packets["out"],
        "duplicates": packets["duplicates"],
        "rejected": sum(packets["rejected"].values()),
        "new_loci": association["new_loci"],
        "old_loci": association["to_old_loci"],
        "tagged": sum(report["tags"].values()),
        "conflicts": sum(report["conflicts"].values()),
        "warnings": len(report["warnings"]),
    }


def delivery_row(name: str, account: pa.Table, nights: int) -> dict[str, Any]:
    """A delivery in one line."""
    counts: Counter[str] = Counter()
    for row in account.to_pylist():
        if row["of"] == "packets":
            counts[row["what"]] += row["number"]
    reasons = {what.removeprefix("rejected: "): n for what, n in sorted(counts.items()) if what != "mapped"}
    return {
        "delivery": name,
        "packets": counts.total(),
        "decoded": counts["mapped"],
        "rejected": sum(reasons.values()),
        "reasons": ", ".join(f"{reason} {n}" for reason, n in reasons.items()),
        "nights": nights,
    }


def summary_page(
    project: str, reports: Sequence[Mapping[str, Any]], links: Sequence[tuple[str, str]],
    deliveries: Sequence[Mapping[str, Any]],
) -> str:  # fmt: skip
    """The page of a project."""
    rows: list[dict[str, object]] = []
    for report, (to_report, to_pages) in zip(reports, links, strict=True):
        night = Cell(link(to_report, report["night"]), report["night"])
        rows.append({**row_of(report), "night": night, "Loci": link(to_pages, "pages")})
    caption = f"{counted(len(rows), 'night')} of {project}"
    parts = [section("Nights", declared_table(NIGHTS, rows, caption=caption, more=("Loci",)))]
    tags = sorted({tag for report in reports for tag in report["tags"]})
    if tags:
        by_tag = [(report["night"], *(report["tags"].get(tag, 0) for tag in tags)) for report in reports]
        columns = [Heading("Night"), *(Heading(tag, numeric=True) for tag in tags)]
        caption = "Loci of the night that carry a tag"
        parts.append(section("Loci by tag", table(columns, by_tag, caption=caption)))
    caption = "Packets = decoded + rejected; a delivery without nights gave no alert"
    parts.append(section("Deliveries", declared_table(DELIVERIES, deliveries, caption=caption)))
    return page(f"Alerts of {project}", Markup("\n".join(parts)))


def main(job: Job) -> None:
    """Write the page and the tables of all nights and deliveries."""
    import pyarrow.parquet as pq

    reports = [json.loads(path.read_text(encoding="utf-8")) for path in job.input.reports]
    links = [
        (
            address(path.with_suffix(".html"), job.output.page),
            address(folder / "index.html", job.output.page),
        )
        for path, folder in zip(job.input.reports, job.input.pages, strict=True)
    ]
    deliveries = []
    for path, listed in zip(job.input.accounts, job.input.lists, strict=True):
        nights = len(json.loads(listed.read_text(encoding="utf-8"))["nights"])
        row = delivery_row(path.name.removesuffix(".account.parquet"), pq.read_table(path), nights)
        deliveries.append(row)
        if not nights:
            log.warning("delivery %s gave no alert: %s", row["delivery"], row["reasons"] or "it is empty")
    text = summary_page(job.wildcards.project, reports, links, deliveries)
    job.output.page.write_text(text, encoding="utf-8")
    write([row_of(report) for report in reports], NIGHTS, job.output.table)
    write(deliveries, DELIVERIES, job.output.deliveries)
