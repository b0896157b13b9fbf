"""HTML pages that open from a file, without a server and without a network.

    body = section("Stamps", table(columns, rows)) + figure_tag(png, "Waterfall of stamp 3")
    write_text(path, page("COSMIC gallery", body))

Everything that comes from data is escaped; scripts and styles are inlined; a Content-Security-Policy in
the page forbids it to ask any host for anything. Pages read well in light and dark, on a phone, on paper
and with the keyboard alone.
"""

from ephemera.pages.page import Markup, address, asset, embed_json, escape, figure_tag, link, page, section
from ephemera.pages.table import Cell, Heading, declared_table, table

__all__ = [
    "Cell",
    "Heading",
    "Markup",
    "address",
    "asset",
    "declared_table",
    "embed_json",
    "escape",
    "figure_tag",
    "link",
    "page",
    "section",
    "table",
]
