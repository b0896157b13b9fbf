"""All nights on one page: counts, tags, links to each night's report and loci."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ephemera.pages import Heading, Markup, address, link, page, section, table

if TYPE_CHECKING:
    from ephemera.job import Job

COLUMNS = (
    "night",
    "packets",
    "alerts",
    "duplicates",
    "rejected",
    "new loci",
    "old loci",
    "tagged",
    "conflicts",
    "warnings",
)


def row_of(report: Mapping[str, Any]) -> tuple[Any, ...]:
    """A night in one line."""
    packets = report["packets"]
    return (
        report["night"], packets["in"], packets["out"], packets["duplicates"],
        sum(packets["rejected"].values()),
        report["association"]["new_loci"], report["association"]["to_old_loci"], sum(report["tags"].values()),
        sum(report["conflicts"].values()), len(report["warnings"]),
    )  # fmt: skip


def summary_page(project: str, reports: Sequence[Mapping[str, Any]], links: Sequence[tuple[str, str]]) -> str:
    """The page of a project."""
    headings = [
        Heading("Night"),
        *(Heading(name.capitalize(), numeric=True) for name in COLUMNS[1:]),
        Heading("Loci"),
    ]
    rows = [
        (link(to_report, report["night"]), *row_of(report)[1:], link(to_pages, "pages"))
        for report, (to_report, to_pages) in zip(reports, links, strict=True)
    ]
    tags = sorted({tag for report in reports for tag in report["tags"]})
    by_tag = [(report["night"], *(report["tags"].get(tag, 0) for tag in tags)) for report in reports]
    parts = [section("Nights", table(headings, rows, caption=f"{len(rows)} nights of {project}"))]
    if tags:
        columns = [Heading("Night"), *(Heading(tag, numeric=True) for tag in tags)]
        parts.append(
            section("Loci by tag", table(columns, by_tag, caption="Loci of the night that carry a tag"))
        )
    return page(f"Alerts of {project}", Markup("\n".join(parts)))


def main(job: Job) -> None:
    """Write the page and the table of all nights."""
    paths = job.input.reports if isinstance(job.input.reports, list) else [job.input.reports]
    pages = job.input.pages if isinstance(job.input.pages, list) else [job.input.pages]
    reports = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    links = [
        (
            address(path.with_suffix(".html"), job.output.page),
            address(folder / "index.html", job.output.page),
        )
        for path, folder in zip(paths, pages, strict=True)
    ]
    job.output.page.write_text(summary_page(job.wildcards.project, reports, links), encoding="utf-8")
    with job.output.table.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row_of(report) for report in reports)
