"""The gallery and the summary in a browser: sorting, filtering, keys, notes, and no word to the network."""

from __future__ import annotations

import csv
import time

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from workflow_checkout import copy_checkout


@pytest.fixture(scope="module")
def pages(repository, tmp_path_factory, chromium):
    """Gallery and summary of a small simulated observation."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("pages") / "checkout")
    checkout.snakemake("--configfile", "config/test/cosmic-small.yaml", "--quiet", "all")
    (gallery,) = checkout.root.glob("results/cosmic/gallery/*/simulated.0001/gallery.html")
    (summary,) = checkout.root.glob("results/cosmic/summary/*/cosmic-small/summary.html")
    return gallery, summary


def column(browser, place):
    cells = browser.driver.find_elements(By.CSS_SELECTOR, f"#stamps tbody tr td:nth-child({place})")
    return [cell.text for cell in cells if cell.is_displayed()]


def test_the_table_sorts_and_filters(browser, pages):
    browser.open(pages[0])
    assert len(column(browser, 1)) == 14
    heading = browser.driver.find_element(
        By.XPATH, "//table[@id='stamps']//th[button[starts-with(., 'SNR')]]"
    )
    button = heading.find_element(By.TAG_NAME, "button")
    button.click()
    rising = [float(text) for text in column(browser, 4)]
    assert rising == sorted(rising)
    button.click()
    assert [float(text) for text in column(browser, 4)] == sorted(rising, reverse=True)
    box = browser.driver.find_element(By.CSS_SELECTOR, "#list input[type=search]")
    box.send_keys("rfi_single")
    assert set(column(browser, 2)) == {"rfi_single_antenna"}
    assert browser.problems() == []
    assert browser.requests() == []


def test_keys_go_from_stamp_to_stamp_and_toggle_the_path(browser, pages):
    browser.open(pages[0])
    body = browser.driver.find_element(By.TAG_NAME, "body")
    items = [item.get_attribute("id") for item in browser.driver.find_elements(By.CSS_SELECTOR, ".item")]
    assert len(items) == 10
    seen = []
    for key in ("n", "n", "n", "p"):
        body.send_keys(key)
        seen.append(browser.run("return document.activeElement.id"))
    assert seen == [items[0], items[1], items[2], items[1]]
    line = browser.driver.find_element(By.CSS_SELECTOR, ".view svg")
    assert line.is_displayed()
    body.send_keys("t")
    assert not line.is_displayed()
    assert browser.problems() == []


def test_notes_stay_and_are_exported(browser, pages):
    browser.open(pages[0])
    note = browser.driver.find_element(By.CSS_SELECTOR, "textarea.note")
    note.send_keys('=looks "real", n')
    browser.open(pages[0])
    note = browser.driver.find_element(By.CSS_SELECTOR, "textarea.note")
    assert note.get_attribute("value") == '=looks "real", n'
    assert column(browser, 15)[0] == '=looks "real", n'
    # Notes of another page of the gallery are in the same file.
    browser.open(pages[0].with_name("gallery-2.html"))
    browser.driver.find_element(By.CSS_SELECTOR, "textarea.note").send_keys("second", Keys.ENTER, "line")
    browser.driver.find_element(By.ID, "export-notes").click()
    file = browser.downloads / "simulated.0001.notes.csv"
    for _ in range(100):
        if file.exists():
            break
        time.sleep(0.1)
    with file.open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["note"] for row in rows] == ['\'=looks "real", n', "second\nline"]
    assert rows[0]["id"] == "simulated.0001:0000:0"
    assert rows[0]["class"]
    assert browser.problems() == []
    assert browser.requests() == []


def test_links_lead_to_stamps_on_other_pages_and_to_hits(browser, pages):
    browser.open(pages[0])
    links = browser.driver.find_elements(By.CSS_SELECTOR, "#stamps tbody a")
    links[-1].click()
    assert browser.driver.current_url.endswith("gallery-2.html#item-simulated-0001-0001-6")
    hit = browser.driver.find_element(By.CSS_SELECTOR, "dl.facts a")
    browser.run("arguments[0].scrollIntoView({block: 'center'})", hit)
    hit.click()
    assert "hits.html#item-simulated-0001-hit-" in browser.driver.current_url
    assert browser.problems() == []
    assert browser.requests() == []


@pytest.mark.parametrize("width", [380, 1280])
def test_pages_fit_phone_and_desk(browser, pages, width):
    for page in pages:
        browser.open(page, width=width)
        assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
        images = browser.run(
            "return Array.from(document.images).map(i => { i.loading = 'eager'; return i.decode(); }).length"
        )
        assert images >= 1
        assert browser.problems() == []
        assert browser.requests() == []
