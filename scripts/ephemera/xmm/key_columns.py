"""Columns that say of what a row is, the same in every table: observation, subset, search."""

from __future__ import annotations

from ephemera.tables import Column

OBSID = Column("obsid", "str", None, "meta.id", "Observation, ten digits")
SUBSET = Column("subset", "i4", None, "meta.id", "Number of the set of simultaneous event lists")
#: What a run searches for: frame length and band.
SEARCH = (
    Column("t_bin", "f8", "s", "time.interval", "Frame length"),
    Column("e_min", "f8", "keV", "em.energy;stat.min", "Lower edge of the band"),
    Column("e_max", "f8", "keV", "em.energy;stat.max", "Upper edge of the band"),
)
