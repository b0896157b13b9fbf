"""Tables whose columns are declared once and written as Parquet, FITS, VOTable, ECSV, CSV and documentation.

    SOURCES = TableDeclaration("sources", "One row per source.", (
        Column("source_id", "i8", None, "meta.id;meta.main", "Identifier, never reused"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS"),
    ))
    write({"source_id": ids, "ra": ra}, SOURCES, "sources.fits")    # or a list of rows
    table = read("sources.fits", SOURCES)

What holds for all formats: a missing value is null in every dtype (None, NaN, a masked element and an empty
text are missing values), so the same table read back from any of the five formats is equal; the same
table written twice gives the same bytes; a file appears whole or not at all.
"""

from ephemera.tables.columns import arrays, numbers
from ephemera.tables.declaration import Column, TableDeclaration
from ephemera.tables.formats import SUFFIX_OF, SUFFIXES, read, write
from ephemera.tables.markdown import markdown

__all__ = [
    "SUFFIXES",
    "SUFFIX_OF",
    "Column",
    "TableDeclaration",
    "arrays",
    "markdown",
    "numbers",
    "read",
    "write",
]
