"""The account of a night: what came in, what became of it, what each filter did, what is unusual.

Reads the accounts of all steps of the night and the report of the night before. Makes a page and a JSON file
with the same numbers. Stops with an error when an alert is missing from the account.
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from ephemera.alerts.night import check
from ephemera.alerts.outcomes import AccountError
from ephemera.files import json_text
from ephemera.pages import Cell, Heading, Markup, address, escape, link, page, section, table
from ephemera.pages.drawing import STYLE, facts

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.alerts import Report as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Order in which the page shows the numbers of the association.
ASSOCIATION_ORDER = (
    "alerts", "own_alerts", "to_old_loci", "to_new_loci", "new_loci", "loci_touched", "ambiguous", "late",
    "limits", "forced", "without_locus", "known", "known_own", "known_prior_detections", "conflicts",
    "merge_candidates", "split_candidates",
)  # fmt: skip
_UNKNOWN_BAND = re.compile(r".*_fid\d+|.*_\?")


def packets_account(
    decoded: Sequence[pa.Table], first_nights: Sequence[int | None], night: Mapping[str, Any],
    associated: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Packets and priors of a night. Raises AccountError when the numbers do not add up.

    Packets that were refused have no night; they are counted on the first night of their delivery.
    """
    number = night["night"]
    counts: dict[str, Counter[str]] = {"packets": Counter(), "priors": Counter()}
    surveys: dict[str, Counter[str]] = {}
    mapped: Counter[tuple[str, str]] = Counter()
    for account, first in zip(decoded, first_nights, strict=True):
        for row in account.to_pylist():
            refused = row["what"].startswith("rejected")
            if (row["night"] if row["night"] is not None or not refused else first) == number:
                counts[row["of"]][row["what"]] += row["number"]
                if row["of"] == "packets":
                    surveys.setdefault(row["survey"], Counter())[row["what"]] += row["number"]
                    if not refused:
                        mapped[row["file"] or "", row["survey"]] += row["number"]
    check_files(mapped, night["files"])
    rejected = {
        of: {
            what.removeprefix("rejected: "): n for what, n in sorted(c.items()) if what.startswith("rejected")
        }
        for of, c in counts.items()
    }
    known_own = associated["known_own"]
    account = {
        "packets": {
            "in": sum(counts["packets"].values()),
            "out": night["out"] - known_own,
            "duplicates": night["duplicates"] + known_own,
            "rejected": rejected["packets"],
        },
        "priors": {
            "in": sum(counts["priors"].values()),
            "new_detections": night["new_detections"] - associated["known_prior_detections"],
            "known_detections": night["known_detections"] + associated["known_prior_detections"],
            "limits": night["limits"],
            "forced": night["forced"],
            "rejected": rejected["priors"],
        },
    }
    check(account)
    return {**account, "surveys": _by_survey(surveys, night)}


def check_files(mapped: Mapping[tuple[str, str], int], files: Sequence[Mapping[str, Any]]) -> None:
    """Raise AccountError unless the packets decoded of each file and survey are all in the night's table."""
    found = Counter({(f["file"] or "", f["survey"]): f["out"] + f["duplicates"] for f in files})
    for file, survey in sorted({*mapped, *found}):
        came, went = mapped.get((file, survey), 0), found[file, survey]
        if came != went:
            message = f"{file}, {survey}: {came} packets were decoded, but the night has {went} of them"
            raise AccountError(message)


def _by_survey(surveys: Mapping[str, Counter[str]], night: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    out: dict[str, dict[str, int]] = {}
    for survey in sorted({*surveys, *(f["survey"] for f in night["files"])}):
        counts = surveys.get(survey, Counter())
        files = [f for f in night["files"] if f["survey"] == survey]
        out[survey] = {
            "in": sum(counts.values()),
            "out": sum(f["out"] for f in files),
            "duplicates": sum(f["duplicates"] for f in files),
            "rejected": sum(n for what, n in counts.items() if what.startswith("rejected")),
        }
    return out


def warnings_of(
    report: Mapping[str, Any], before: Mapping[str, Any] | None, decode_warnings: Sequence[str],
    bands: Sequence[str], rates: Sequence[int], factor: float,
) -> list[str]:  # fmt: skip
    """What someone should look at."""
    found = [f"unknown schema: {text}" for text in sorted(set(decode_warnings))]
    found += [f"unknown band: {band}" for band in sorted(set(bands)) if _UNKNOWN_BAND.fullmatch(band)]
    if before is not None and report["night"] - before["night"] > 1:
        gap = report["night"] - before["night"] - 1
        missing = "1 night is" if gap == 1 else f"{gap} nights are"
        found.append(f"night gap: {missing} missing after {before['night']}")
    if rates:
        usual, now = median(rates), report["packets"]["out"]
        if usual > 0 and (now > usual * factor or now * factor < usual):
            found.append(f"rate: {now} alerts, {usual:g} on the last {len(rates)} nights")
    for name, counts in report["filters"].items():
        if counts["switched_off"]:
            found.append(f"filter {name} was switched off after {counts['errored']} errors")
        if counts["problem"]:
            found.append(f"filter {name} did not run: {counts['problem']}")
    found += [
        f"catalogue {name} is missing: filters that need it were skipped"
        for name in report["catalogues_missing"]
    ]
    return found


def numbers_of(report: Mapping[str, Any]) -> dict[str, int]:
    """All counts of a report by name, to compare nights."""
    flat: dict[str, int] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                walk(f"{prefix}{name} ", inner)
        elif isinstance(value, int) and not isinstance(value, bool):
            flat[prefix.strip()] = value

    for part in ("packets", "priors", "association", "filters", "tags", "streams", "conflicts", "merges"):
        walk(f"{part} ", report[part])
    return flat


def report_page(
    report: Mapping[str, Any], before: Mapping[str, Any] | None, times: Mapping[str, Mapping[str, float]],
    errors: Sequence[Mapping[str, Any]], pages: str,
) -> str:  # fmt: skip
    """The page of a night."""
    number = Heading("Number", numeric=True)
    parts = [Markup(f"<p>{link(pages, 'Loci of this night')}</p>"), _warnings(report["warnings"])]
    rows = [(s, c["in"], c["out"], c["duplicates"], c["rejected"]) for s, c in report["surveys"].items()]
    total = report["packets"]
    rows.append(("all", total["in"], total["out"], total["duplicates"], sum(total["rejected"].values())))
    headings = (
        Heading("Survey"),
        *(Heading(n, numeric=True) for n in ("In", "Out", "Duplicates", "Rejected")),
    )
    parts.append(section("Packets", table(headings, rows, caption="In = out + duplicates + rejected")))
    reasons = [
        (of, reason, n) for of in ("packets", "priors") for reason, n in report[of]["rejected"].items()
    ]
    if reasons:
        parts.append(section("Rejected", table((Heading("Of"), Heading("Reason"), number), reasons)))
    priors = {name.replace("_", " "): n for name, n in report["priors"].items() if name != "rejected"}
    priors["rejected"] = sum(report["priors"]["rejected"].values())
    caption = Markup("<p>In = new detections + already known + limits + forced + rejected</p>")
    parts.append(section("Measurements that packets repeat", caption, facts(priors)))
    numbers = report["association"]
    ordered = [
        *(n for n in ASSOCIATION_ORDER if n in numbers),
        *sorted(set(numbers) - set(ASSOCIATION_ORDER)),
    ]
    joined = {name.replace("_", " "): numbers[name] for name in ordered}
    parts.append(section("Association", facts(joined)))
    parts.append(section("Filters", _filters(report["filters"], times)))
    if errors:
        parts.append(section("Errors of filters", _errors(errors)))
    tags = [(name, n, report["streams"].get(name, 0)) for name, n in report["tags"].items()]
    headings = (Heading("Tag"), Heading("Loci with it", numeric=True), Heading("Sent", numeric=True))
    shown = table(headings, tags) if tags else Markup("<p>No locus of this night has a tag.</p>")
    parts.append(section("Tags and streams", shown))
    parts.append(section("Against the night before", _compared(report, before)))
    return page(f"Night {report['night']}", Markup("\n".join(parts)), styles=[STYLE])


def _warnings(warnings: Sequence[str]) -> Markup:
    if not warnings:
        return section("Warnings", Markup("<p>None.</p>"))
    items = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return section("Warnings", Markup(f"<ul>{items}</ul>"))


def _filters(filters: Mapping[str, Mapping[str, Any]], times: Mapping[str, Mapping[str, float]]) -> Markup:
    headings = (
        Heading("Filter"), Heading("Version"),
        Heading("Before", description="what the filter was given", numeric=True),
        Heading("Skipped", description="a requirement was missing", numeric=True),
        Heading("Errored", numeric=True), Heading("After", description="what it passed", numeric=True),
        Heading("Time per locus", "ms", numeric=True),
    )  # fmt: skip
    rows = []
    for name, c in filters.items():
        spent = times.get(name, {"seconds": 0.0, "loci": 0})
        mean = 1000 * spent["seconds"] / spent["loci"] if spent["loci"] else None
        cell = None if mean is None else Cell(f"{mean:.3f}", mean)
        rows.append((name, c["version"], c["input"], c["skipped"], c["errored"], c["passed"], cell))
    return table(
        headings,
        rows,
        caption="In the order in which they ran, on loci (or on alerts, as alerts.filter.trigger says); "
        "before = skipped + errored + succeeded",
    )


def _errors(errors: Sequence[Mapping[str, Any]]) -> Markup:
    headings = (Heading("Filter"), Heading("Locus"), Heading("Error"), Heading("Message"))
    return table(headings, [(e["filter"], e["locus_id"], e["error"], e["message"]) for e in errors])


def _compared(report: Mapping[str, Any], before: Mapping[str, Any] | None) -> Markup:
    if before is None:
        return Markup("<p>This is the first night.</p>")
    now, then = numbers_of(report), numbers_of(before)
    rows = [(n, now.get(n, 0), then.get(n, 0), now.get(n, 0) - then.get(n, 0)) for n in sorted({*now, *then})]
    headings = (
        Heading("What"),
        *(Heading(n, numeric=True) for n in ("This night", "Night before", "Difference")),
    )
    return table(headings, rows, caption=f"The night before is {before['night']}")


def main(job: Job) -> None:
    """Write the report of one night."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    previous = getattr(job.input, "previous", None)
    before = _json(previous) if previous else None
    decoded = [pq.read_table(path) for path in job.input.decoded]
    lists = [_json(path) for path in job.input.lists]
    first = [min((entry["night"] for entry in one["nights"]), default=None) for one in lists]
    night, associated, counts = _json(job.input.night), _json(job.input.associated), _json(job.input.counts)
    merges = pq.read_table(job.input.merges)["what"].to_pylist()
    rates: list[int] = list(before["rates"]) if before else []
    report: dict[str, Any] = {
        "night": night["night"],
        **packets_account(decoded, first, night, associated),
        "changed": night["changed"],
        "association": {k: v for k, v in associated.items() if isinstance(v, int)},
        "filters": counts["filters"],
        "tags": counts["tags"],
        "streams": _json(job.input.streams),
        "conflicts": dict(sorted(Counter(pq.read_table(job.input.conflicts)["what"].to_pylist()).items())),
        "merges": dict(sorted(Counter(merges).items())),
        "catalogues_missing": counts["catalogues"]["missing"],
    }
    bands = pq.read_table(job.input.alerts, columns=["band"])["band"].unique().to_pylist()
    texts = [text for one in lists for text in one["warnings"]]
    report["warnings"] = warnings_of(
        report, before, texts, [b for b in bands if b], rates, settings.rate_factor
    )
    report["rates"] = [*rates, report["packets"]["out"]][-settings.nights_compared :]
    verdicts = pq.read_table(job.input.verdicts)
    errors = verdicts.filter(pc.equal(verdicts["outcome"], "errored")).slice(0, 50).to_pylist()
    job.output.json.write_text(json_text(report), encoding="utf-8")
    target = address(job.input.pages / "index.html", job.output.page)
    job.output.page.write_text(
        report_page(report, before, _json(job.input.times), errors, target), encoding="utf-8"
    )
    for warning in report["warnings"]:
        log.warning("night %d: %s", report["night"], warning)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
