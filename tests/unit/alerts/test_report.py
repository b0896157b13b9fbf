"""The nightly report, its accounts and the page of all nights."""

from __future__ import annotations

import pyarrow as pa
import pytest

from builders.html import checked
from ephemera.alerts.outcomes import AccountError
from ephemera.alerts.report import numbers_of, packets_account, report_page, warnings_of
from ephemera.alerts.summary import DELIVERIES, NIGHTS, delivery_row, row_of, summary_page


def parts_of_report(out=10, refused=2):
    decoded = pa.table(
        {
            "file": ["a", "a", "a"],
            "survey": ["ztf", "unknown", "ztf"],
            "night": pa.array([5, None, 5], pa.int32()),
            "of": ["packets", "packets", "priors"],
            "what": ["mapped", "rejected: truncated", "limits"],
            "number": [out + 1, refused, 4],
        }
    )
    night = {
        "night": 5,
        "out": out,
        "duplicates": 1,
        "new_detections": 0,
        "known_detections": 0,
        "limits": 4,
        "forced": 0,
        "files": [{"file": "a", "survey": "ztf", "out": out, "duplicates": 1}],
        "changed": 0,
    }
    associated = {"known_own": 0, "known_prior_detections": 0, "new_loci": 3, "to_old_loci": 7}
    return [decoded], [5], night, associated


def report_of(**given):
    account = packets_account(*parts_of_report(**given))
    tally = {
        "input": 10,
        "skipped": 1,
        "errored": 0,
        "succeeded": 9,
        "passed": 2,
        "version": "1",
        "switched_off": False,
        "problem": None,
    }
    return {
        "night": 5,
        **account,
        "association": {"new_loci": 3, "to_old_loci": 7},
        "filters": {"jump": tally},
        "tags": {"jump": 2},
        "streams": {"jump": 2},
        "conflicts": {},
        "merges": {},
        "catalogues_missing": [],
        "warnings": [],
        "rates": [10],
    }


def test_the_account_of_a_night_closes():
    account = packets_account(*parts_of_report())
    assert account["packets"] == {"in": 13, "out": 10, "duplicates": 1, "rejected": {"truncated": 2}}
    assert account["surveys"]["ztf"] == {"in": 11, "out": 10, "duplicates": 1, "rejected": 0}


def test_the_account_closes_for_each_file_and_survey():
    decoded, first, night, associated = parts_of_report()
    night["files"] = [{"file": "b", "survey": "ztf", "out": 10, "duplicates": 1}]
    with pytest.raises(AccountError, match=r"a, ztf: 11 packets were decoded, but the night has 0"):
        packets_account(decoded, first, night, associated)


def test_an_account_that_does_not_close_stops_the_run():
    decoded, first, night, associated = parts_of_report()
    with pytest.raises(AccountError, match="packets: 13 came in, but 10"):
        packets_account(decoded, first, {**night, "out": 9}, associated)


def test_warnings():
    report = report_of(out=100)
    report["filters"]["jump"] = {**report["filters"]["jump"], "switched_off": True, "errored": 7}
    report["filters"]["mine"] = {
        **report["filters"]["jump"],
        "problem": "ImportError: x",
        "switched_off": False,
    }
    report["catalogues_missing"] = ["gaia"]
    before = {**report_of(), "night": 2}
    found = warnings_of(report, before, ["schema version 9"], ["ztf_g", "ztf_fid7"], [10, 12, 9], 3.0)
    text = "\n".join(found)
    for piece in (
        "unknown schema",
        "unknown band: ztf_fid7",
        "2 nights are missing after 2",
        "rate: 100",
        "jump was switched off",
        "mine did not run",
        "gaia is missing",
    ):
        assert piece in text
    assert warnings_of(report_of(), None, [], ["ztf_g"], [10, 11], 3.0) == []


def test_report_page_shows_counts_before_and_after_each_filter():
    report = report_of()
    before = {**report_of(out=8), "night": 4}
    text = report_page(
        report,
        before,
        {"jump": {"seconds": 0.01, "loci": 10}},
        [{"filter": "x", "locus_id": "y", "error": "E", "message": "<m>"}],
        "p/index.html",
    )
    checked(text)
    for piece in ("Before", "After", "Time per locus", "&lt;m&gt;", "Night before", "truncated"):
        assert piece in text
    assert numbers_of(report)["filters jump passed"] == 2
    checked(report_page(report, None, {}, [], "p/index.html"))


def test_summary():
    report = report_of()
    account = parts_of_report()[0][0]
    good, lost = delivery_row("june", account, 1), delivery_row("torn", account.slice(1, 1), 0)
    assert good == {
        "delivery": "june", "packets": 13, "decoded": 11, "rejected": 2, "reasons": "truncated 2", "nights": 1,
    }  # fmt: skip
    assert (lost["packets"], lost["decoded"], lost["reasons"], lost["nights"]) == (2, 0, "truncated 2", 0)
    text = summary_page("demo", [report], [("5.html", "p/index.html")], [good, lost])
    checked(text)
    assert "torn" in text
    assert list(row_of(report).values())[:5] == [5, 13, 10, 1, 2]
    assert tuple(row_of(report)) == NIGHTS.names
    assert tuple(good) == DELIVERIES.names
    checked(summary_page("demo", [], [], [lost]))
