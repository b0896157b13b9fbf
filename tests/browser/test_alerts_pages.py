"""Pages of loci, index and nightly report in a browser: they sort, fit a phone, and ask nobody for anything."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest
from selenium.webdriver.common.by import By

from builders.alerts import alert, alerts, joined, limit
from ephemera.alerts.associate import associate
from ephemera.alerts.conflicts import find_conflicts
from ephemera.alerts.filters import run_filters
from ephemera.alerts.pages import write_pages

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Pages of a night with three loci: one with limits and negative differences, one of two objects."""
    folder = tmp_path_factory.mktemp("night") / "pages"
    rows = [
        alert(1, 10.0, 0.0, 59000.1, object_id=HOSTILE),
        alert(2, 10.0, 0.0002, 59001.1, sign=-1, mag=17.2, object_id=HOSTILE),
        limit(3, 58998.1, 20.5, carrier_key="ztf:1", object_id=HOSTILE, alert_key="ztf:limit:a"),
        alert(4, 10.0, 0.0, 58997.1, kind=2, carrier_key="ztf:1", alert_key="ztf:forced:a", mag=19.0),
        alert(5, 50.0, 20.0, 59000.2, object_id="A", mag=16.0),
        alert(6, 50.0, 20.0002, 59001.2, object_id="B", mag=19.5),
        alert(7, 80.0, -30.0, 59001.3, mag=15.0),
    ]
    association, loci = associate(alerts(*rows), None)
    homes = dict(zip(association["alert_key"].to_pylist(), association["locus_id"].to_pylist(), strict=True))
    history = pa.concat_tables([joined(homes[row["alert_key"]], row) for row in rows])
    result = run_filters(loci, history, ["jump", "single_point", "negative_only", "everything"])
    conflicts = find_conflicts(loci, history, loci["locus_id"].to_pylist())
    write_pages(result.loci, history, conflicts, folder, 59001, 200, 2.0)
    return SimpleNamespace(folder=folder, homes=homes)


def cells(browser, place):
    found = browser.driver.find_elements(By.CSS_SELECTOR, f"tbody tr td:nth-child({place})")
    return [cell.text for cell in found if cell.is_displayed()]


def test_the_index_sorts_and_leads_to_the_loci(browser, pages):
    browser.open(pages.folder / "index.html")
    assert len(cells(browser, 1)) == 3
    for heading, place in (("RA", 2), ("Brightest", 7)):
        button = browser.driver.find_element(By.XPATH, f"//th/button[starts-with(., '{heading}')]")
        button.click()
        numbers = [float(text) for text in cells(browser, place)]
        assert numbers == sorted(numbers)
        button.click()
        assert [float(text) for text in cells(browser, place)] == sorted(numbers, reverse=True)
    box = browser.driver.find_element(By.CSS_SELECTOR, "input[type=search]")
    box.send_keys("jump")
    assert cells(browser, 1) == [pages.homes["ztf:5"]]
    browser.driver.find_element(By.LINK_TEXT, pages.homes["ztf:5"]).click()
    assert browser.driver.title == pages.homes["ztf:5"]
    assert browser.problems() == []
    assert browser.requests() == []


def test_a_locus_shows_what_is_known_of_it(browser, pages):
    browser.open(pages.folder / f"{pages.homes['ztf:1']}.html")
    curve = browser.driver.find_element(By.CSS_SELECTOR, "#light-curve svg.drawing")
    assert len(curve.find_elements(By.TAG_NAME, "circle")) == 3
    fills = [c.get_attribute("fill") for c in curve.find_elements(By.TAG_NAME, "circle")]
    assert sum("paper" in fill for fill in fills) == 1
    assert "arrow: 5 sigma limit" in browser.driver.find_element(By.ID, "light-curve").text
    radius = browser.driver.find_element(By.CSS_SELECTOR, "#positions circle[stroke-dasharray]")
    assert float(radius.get_attribute("r")) > 50
    assert HOSTILE in browser.driver.find_element(By.TAG_NAME, "body").text
    assert browser.problems() == []
    browser.open(pages.folder / f"{pages.homes['ztf:5']}.html")
    assert "two objects in this locus" in browser.driver.find_element(By.TAG_NAME, "body").text
    assert browser.problems() == []


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_a_phone(browser, pages, width):
    for name in ("index", pages.homes["ztf:1"]):
        browser.open(pages.folder / f"{name}.html", width=width)
        wide = browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 1
    # Numbers at the axes stay legible: the drawing scrolls instead of shrinking.
    drawn = browser.run("return document.querySelector('#light-curve svg').getBoundingClientRect().width")
    assert drawn >= 500
