"""The X-ray report and the front page in a browser: every page and link, two widths, the keyboard."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser.conftest import started
from builders.report import report_of, searched
from builders.search_products import OBSID
from ephemera.recipes.recipe import Recipe
from ephemera.recipes.versions import record
from ephemera.report import Entry, Product, write_front
from ephemera.xmm.pages import write_report


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A results folder with the report of one searched observation, and the front page that leads to it."""
    root = tmp_path_factory.mktemp("results")
    made = searched(root / "products")
    report = report_of(root / "products", sorted(path.name for path in made.figures.iterdir()))
    recipe = Recipe("xmm.pages", {}, {}, (), {}, str(root / "results"))
    folder = root / "results" / "xmm" / "pages" / recipe.key / "test"
    write_report(
        report,
        {OBSID: root / "products" / "light_curves.parquet"},
        {OBSID: sorted(made.figures.iterdir())},
        [],
        folder,
    )
    record(root / "results", "test", {}, [recipe], 2)
    entry = Entry("X-rays", "What was found.", (Product("report", recipe, "test/index.html"),))
    front = write_front(root / "results", "test", [entry], [recipe])
    return SimpleNamespace(front=front, pages=root / "results" / "current" / "xmm" / "pages" / "test")


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    """One browser for all tests of this file: opening one takes longer than looking at a page."""
    with started(chromium, tmp_path_factory.mktemp("browser")) as fresh:
        yield fresh


LINKS = "return Array.from(document.querySelectorAll('a[href]'), (a) => a.href)"
BROKEN = "return Array.from(document.images).filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"
WIDER = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize("width", [390, 1280])
def test_from_the_front_page_every_link_opens_fits_and_asks_nobody(browser, results, width):
    waiting, seen = [results.front.resolve()], set()
    top = results.front.parents[1].resolve()
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        browser.open(page, width=width)
        assert browser.run(WIDER) <= 1, page
        assert browser.run(BROKEN) == [], page
        assert browser.problems() == [], page
        assert browser.requests() == [], page
        for address in browser.run(LINKS):
            if address.startswith("https://aladin.cds.unistra.fr/"):
                continue
            path = Path(unquote(urlsplit(address).path))
            assert path.is_file(), (page, address)
            assert path.resolve().is_relative_to(top)
            if path.suffix == ".html":
                waiting.append(path.resolve())
    made = {path.resolve() for path in results.pages.rglob("*.html")}
    assert made <= seen


def test_tables_sort_and_links_open_with_the_keyboard_alone(browser, results):
    browser.open(results.pages / "sources.html")
    heading = browser.driver.find_element(By.XPATH, "//th/button[starts-with(., 'Sigma')]")
    heading.send_keys(Keys.ENTER)

    def shown():
        cells = browser.driver.find_elements(By.CSS_SELECTOR, "#sources tbody td:nth-child(5)")
        return [float(cell.text) for cell in cells]

    assert shown() == sorted(shown())
    heading.send_keys(Keys.ENTER)
    assert shown() == sorted(shown(), reverse=True)
    browser.driver.find_element(By.CSS_SELECTOR, "#sources tbody a").send_keys(Keys.ENTER)
    assert browser.driver.title.startswith("EPH J")
    assert browser.run("return document.querySelectorAll('#light-curves svg.drawing path').length") > 5


def test_the_sky_is_asked_for_at_a_click_only(browser, results):
    browser.open(results.pages / "source" / "1.html")
    button = browser.driver.find_element(By.CSS_SELECTOR, "button[data-sky]")
    assert browser.requests() == []
    button.send_keys(Keys.ENTER)
    frame = browser.driver.find_element(By.CSS_SELECTOR, "iframe.sky")
    assert frame.get_attribute("src").startswith("https://aladin.cds.unistra.fr/AladinLite/?target=")
    blocked = [text for text in browser.problems() if "Content Security Policy" in text]
    assert blocked == []


def test_wide_tables_scroll_in_their_own_box_and_take_the_focus(browser, results):
    browser.open(results.pages / "detections.html", width=390)
    box = browser.driver.find_element(By.CSS_SELECTOR, ".scroll")
    assert browser.run("return arguments[0].scrollWidth > arguments[0].clientWidth", box)
    assert box.get_attribute("tabindex") == "0"
