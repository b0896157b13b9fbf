"""The page on which all results of a run open, and what branches tell it of themselves."""

from ephemera.report.front import Entry, Product, front_page, rows_of, write_front

__all__ = ["Entry", "Product", "front_page", "rows_of", "write_front"]
