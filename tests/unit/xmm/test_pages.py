"""The report: every link leads to a file, names from headers are harmless, absent products are named."""

from __future__ import annotations

import dataclasses
import re
from urllib.parse import unquote

import numpy as np
import pytest

from builders.report import NOTHING, report_of, searched
from builders.search_products import OBSID
from ephemera.xmm.page_curves import curve_path, light_curves, source_curve, time_axis
from ephemera.xmm.page_data import Report
from ephemera.xmm.page_rates import long_term
from ephemera.xmm.page_source import sky_address
from ephemera.xmm.pages import pages_of, write_report


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "products"
    made = searched(folder)
    names = sorted(path.name for path in made.figures.iterdir())
    return folder, made, report_of(folder, names)


@pytest.fixture(scope="module")
def written(products, tmp_path_factory):
    """The folder of the pages of the report."""
    folder, made, report = products
    pages = tmp_path_factory.mktemp("pages") / "pages"
    curves = {OBSID: folder / "light_curves.parquet"}
    number = write_report(report, curves, {OBSID: sorted(made.figures.iterdir())}, [], pages)
    assert number == len(list(pages.rglob("*.html")))
    return pages


def targets(text: str) -> list[str]:
    return re.findall(r'(?:href|src|data-sky)="([^"]+)"', text)


def test_every_link_leads_to_a_file_of_the_folder_or_to_the_one_sky_survey(written):
    seen = set()
    for page in written.rglob("*.html"):
        for target in targets(page.read_text()):
            if target.startswith("https://aladin.cds.unistra.fr/"):
                continue
            path = (page.parent / unquote(target)).resolve()
            assert path.is_file(), (page, target)
            assert path.is_relative_to(written.resolve())
            seen.add(path)
    pages = {path.resolve() for path in written.rglob("*.html")}
    assert pages <= seen, "a page to which no link leads"


def test_there_is_a_page_of_every_kind(written, products):
    report = products[2]
    folders = {path.parent.name for path in written.rglob("*.html")}
    assert folders == {"pages", "observation", "source", "type", "filter"}
    assert len(list((written / "source").iterdir())) == len(report.sources)
    assert {path.stem for path in (written / "observation").iterdir()} == {OBSID, NOTHING}


def test_names_from_headers_and_catalogues_are_text(written):
    for page in written.rglob("*.html"):
        text = page.read_text()
        assert "<img src=x" not in text
        assert "onerror=alert(1)>" not in text
    assert "&lt;img src=x" in (written / "observation" / f"{OBSID}.html").read_text()


def test_an_observation_without_subsets_says_so(written):
    text = (written / "observation" / f"{NOTHING}.html").read_text()
    assert "No event list of this observation could be searched" in text
    assert "nothing there" in text
    assert "No figures were drawn" in text


def test_filter_pages_hold_what_all_of_their_filters_keep(written, products):
    report = products[2]
    detids = [row["detid"] for row in report.detections]
    texts = [(written / "filter" / f"{number}.html").read_text() for number in range(3)]
    assert [sum(f">{detid}<" in text for detid in detids) for text in texts] == [len(detids), 1, 0]


def test_products_that_a_run_lacks_are_named_and_their_pages_left_out(products):
    full = products[2]
    bare = Report(
        full.project, full.observations, full.detections, full.sources, full.runs, full.outcomes, ()
    )
    pages = dict(pages_of(bare, {OBSID: products[0] / "light_curves.parquet"}))
    assert {name.split("/")[0] for name in pages} == {
        "index.html", "observations.html", "sources.html", "detections.html", "observation", "source",
    }  # fmt: skip
    assert pages["index.html"].count("not made in this run") == 5
    assert "No catalogue was matched with" in pages["source/1.html"]


def test_limits_hold_and_say_so(products):
    report = dataclasses.replace(products[2], max_sources=1, max_filters=1, max_rows=1)
    pages = dict(pages_of(report, {OBSID: products[0] / "light_curves.parquet"}))
    assert sum(name.startswith("source/") for name in pages) == 1
    assert sum(name.startswith("filter/") for name in pages) == 1
    assert "the 1 most significant of 2" in pages["sources.html"]
    best = max(report.sources, key=lambda row: row["best_sigma"])
    assert f"source/{best['srcid']}.html" in pages


def test_a_report_of_nothing_is_a_report():
    nothing = Report("empty", {}, [], [], [], [], [])
    pages = dict(pages_of(nothing, {}))
    assert set(pages) == {"index.html", "observations.html", "sources.html", "detections.html"}


def test_two_runs_give_the_same_bytes(products):
    curves = {OBSID: products[0] / "light_curves.parquet"}
    assert list(pages_of(products[2], curves)) == list(pages_of(products[2], curves))


def curve(obsid="1", t_bin=10.0, start=50000.0, n=50, burst=None, subset=0):
    counts = np.ones(n, int)
    if burst is not None:
        counts[burst] = 40
    columns = {
        "time_mjd": start + (np.arange(n) + 0.5) * t_bin / 86400, "exposure": np.full(n, t_bin), "n": counts,
        "bccd": np.arange(n) == 3, "bti": np.arange(n) < 2,
        "B_peak_log": np.where(counts > 20, 20.0, 0.0), "B_eclipse_log": np.full(n, -1.0),
    }  # fmt: skip
    return source_curve(obsid, subset, t_bin, (0.2, 12.0), columns)


def test_rates_are_counts_over_exposed_time_and_masked_frames_are_unknown():
    made = curve(burst=10)
    assert made.rate[10] == 4.0
    assert np.isnan(made.rate[3])
    assert np.flatnonzero(made.peak).tolist() == [10]
    assert len(made.edges) == len(made.rate) + 1


def test_observations_stand_in_order_of_time_without_overlap():
    axis = time_axis([curve("b", start=60000.0), curve("a", start=50000.0, n=500)])
    assert list(axis.places) == ["a", "b"]
    (_, first_right), (second_left, second_right) = axis.places["a"], axis.places["b"]
    assert first_right < second_left < second_right <= 960
    assert second_right - second_left > 150


def test_no_burst_is_lost_in_a_curve_with_more_frames_than_columns():
    n = 20_000
    y = np.full(n, 150.0)
    y[12_345] = 7.0
    path = curve_path(np.linspace(64, 900, n + 1), y)
    assert len(path) < 40_000
    assert re.search(r"M\d+\.5 7\.0V150\.0", path)


def test_flaring_background_is_shaded_in_every_subset_once():
    """Subsets of an observation follow each other in time; all bands of one share their bad time."""
    one, two = curve(subset=0), curve(subset=1, start=50000.1)
    drawn = light_curves([one, dataclasses.replace(one, band=(2.0, 12.0)), two])
    assert drawn.count('opacity="0.25"') == 2


def test_curves_break_at_masked_frames():
    path = curve_path(np.arange(5.0) * 10, np.array([1.0, 2.0, np.nan, 3.0]))
    assert path == "M0.0 1.0H10.0V2.0H20.0M30.0 3.0H40.0"


@pytest.mark.parametrize("apart", [0.2, 3.0, 4000.0])
def test_dates_on_the_axis_of_rates_differ(apart):
    rates = [{"obsid": str(k), "mjd": 57505.3 + k * apart, "rate": 1.0, "rate_err": 0.1} for k in (0, 1)]
    dates = re.findall(r">(5\d{4}[.\d]*|6\d{4}[.\d]*)</text>", long_term(rates))
    assert len(dates) >= 2
    assert len(set(dates)) == len(dates)


def test_a_source_without_curves_says_so():
    assert "No light curve" in light_curves([])


def test_the_sky_survey_is_asked_for_the_position():
    address = sky_address(359.99999, -0.5)
    assert "target=359.999990%20-0.500000&" in address
