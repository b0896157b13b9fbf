"""Pages are safe whatever the data say."""

import json
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.files import begin_attempt
from ephemera.pages import (
    Cell,
    Heading,
    Markup,
    address,
    declared_table,
    embed_json,
    escape,
    figure_tag,
    link,
    page,
    section,
    table,
)
from ephemera.tables import Column, TableDeclaration

NASTY = "</script><script>alert('x')</script>"


def test_text_from_data_is_escaped_everywhere():
    body = section(NASTY, table([Heading(NASTY)], [[NASTY], [Cell(NASTY, NASTY)]], caption=NASTY))
    text = page(NASTY, Markup(body + figure_tag("a.png", NASTY)))
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;") >= 6


@given(st.text())
def test_escaped_text_ends_no_element_and_no_attribute(text):
    assert not re.search(r"[<>\"']", escape(text))


@given(st.text())
def test_embedded_data_come_back_and_end_no_element(text):
    markup = embed_json("data", {"text": text})
    inside = re.fullmatch(r"<script[^>]*>(.*)</script>\n", markup, re.DOTALL)[1]
    assert "<" not in inside
    assert json.loads(inside) == {"text": text}


def test_data_without_a_json_form_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        embed_json("data", float("nan"))


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "http://x.org", "//x.org/a", "\\\\x.org", "/etc/passwd", "data:text/html,x"],
)
def test_a_link_leads_to_no_script_and_no_host(target):
    with pytest.raises(ValueError, match="file or an anchor"):
        link(target, "x")


def test_a_page_asks_no_host():
    text = page("x", section("s", figure_tag(b"\x89PNG", "c")))
    assert not re.search(r"(src|href)=\"(https?:)?//", text)
    assert "default-src 'none'" in text


def test_missing_values_are_empty_cells():
    text = table([Heading("a", numeric=True)], [[None], [float("nan")], [1.5]])
    assert text.count('<td class="number"></td>') == 2
    assert 'data-value="1.5">1.5<' in text


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="2 cells, the table 1"):
        table([Heading("a")], [["x", "y"]])


def test_an_address_leads_to_the_same_file_from_the_page_and_through_the_links_of_the_last_run(tmp_path):
    target = tmp_path / "results/alerts/report/aaaa/demo/1.html"
    target.parent.mkdir(parents=True)
    target.write_text("x")
    step = tmp_path / "results/alerts/summary/bbbb"
    written = begin_attempt(step / "demo" / "index.html")
    found = address(target, written)
    link_of_step = tmp_path / "results/current/alerts/summary"
    link_of_step.parent.mkdir(parents=True)
    link_of_step.symlink_to(step)
    for folder in (step / "demo", link_of_step / "demo"):
        # Browsers take .. off the address, they do not follow links.
        assert Path(os.path.normpath(folder / found)) == target


def test_a_declared_table_says_what_its_columns_are():
    declaration = TableDeclaration(
        "t",
        "Things.",
        (
            Column("first_mjd", "f8", "d", "time.epoch", "Time of the first"),
            Column("name", "str", None, "meta.id", "Name"),
        ),
    )
    row = {"name": "<x>", "first_mjd": 1.5, "Loci": link("a.html", "pages"), "other": 1}
    text = declared_table(declaration, [row], titles={"first_mjd": "First"}, more=("Loci",))
    assert re.findall(r'title="([^"]*)"><button type="button">([^<]*)', text) == [
        ("Time of the first", "First "),
        ("Name", "Name"),
        ("", "Loci"),
    ]
    assert '<td class="number" data-value="1.5">1.5</td><td>&lt;x&gt;</td><td><a href="a.html"' in text
