"""The front page of a run: it leads to what is there, names what is not, and is the same each time."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ephemera.recipes.recipe import Recipe
from ephemera.recipes.versions import record
from ephemera.report import Entry, Product, rows_of, write_front

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def run(tmp_path):
    """A run of two steps that made a page and a table, and an entry that also names a page not made."""
    results = tmp_path / "results"
    pages = Recipe("radio.pages", {}, {}, (), {}, str(results))
    tables = Recipe("radio.tables", {}, {}, (), {}, str(results))
    unmade = Recipe("radio.later", {}, {}, (tables,), {}, str(results))
    page = Path(pages.output("a run #1/index.html"))
    page.parent.mkdir(parents=True)
    page.write_text("<p>hello</p>")
    Path(tables.folder).mkdir(parents=True)
    pq.write_table(pa.table({"x": [1, 2, 3]}), tables.output("found.parquet"))
    entry = Entry(
        f"Radio {HOSTILE}",
        "What was heard.",
        (Product(HOSTILE, pages, "a run #1/index.html"), Product("a later page", unmade, "none.html")),
        (Product("signals", tables, "found.parquet"), Product("no table", tables, "none.csv")),
    )
    return results, entry, [pages, tables, unmade]


def test_every_link_leads_to_a_file_through_the_links_of_the_last_run(run):
    results, entry, recipes = run
    record(results, "radio", {}, recipes, 1)
    path = write_front(results, "radio", [entry], recipes)
    links = re.findall(r'href="([^"]+)"', path.read_text())
    assert len(links) == 2
    for target in links:
        assert (path.parent / unquote(target)).is_file(), target


def test_tables_are_counted_and_what_is_absent_is_named(run):
    results, entry, recipes = run
    text = write_front(results, "radio", [entry], recipes).read_text()
    assert re.search(r"3 <a href=\"radio/tables/found.parquet\">signals</a>", text)
    assert "not made in this run: a later page" in text
    assert "no table" not in text
    assert "radio.later" not in text
    assert HOSTILE not in text


def test_the_same_run_gives_the_same_bytes(run):
    results, entry, recipes = run
    first = write_front(results, "radio", [entry], recipes).read_bytes()
    assert write_front(results, "radio", [entry], recipes).read_bytes() == first


def test_a_page_younger_than_what_it_shows_stays_unless_the_version_is_new(run):
    results, entry, recipes = run
    path = write_front(results, "radio", [entry], recipes)
    path.write_text("as it was")
    write_front(results, "radio", [entry], recipes, new_version=False)
    assert path.read_text() == "as it was"
    table = next(product.path for product in entry.tables if product.path.exists())
    later = path.stat().st_mtime_ns + 10**9
    os.utime(table, ns=(later, later))
    write_front(results, "radio", [entry], recipes, new_version=False)
    assert path.read_text() != "as it was"
    path.write_text("as it was")
    write_front(results, "radio", [entry], recipes)
    assert path.read_text() != "as it was"


def test_a_run_that_made_nothing_has_no_page(tmp_path):
    recipe = Recipe("radio.pages", {}, {}, (), {}, str(tmp_path))
    assert write_front(tmp_path, "radio", [], [recipe]) is None
    assert not (tmp_path / "current").exists()


def test_rows_of_text_tables_do_not_count_comments_and_breaks_in_cells(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,"two\nlines"\n# a remark\n2,x\n')
    assert rows_of(path) == 2
    path.write_text("")
    assert rows_of(path) == 0
    assert rows_of(tmp_path / "t.fits") is None
