"""Columns of matches: the same for every catalogue, named after the set, and those the catalogue hands on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ephemera.tables import Column, TableDeclaration


def match_columns(name: str, extra: Iterable[Column] = ()) -> tuple[Column, ...]:
    """Columns that a set called `name` adds to a table of positions; `extra` as the catalogue names them."""
    mine = (
        Column(f"{name}_id", "str", None, "meta.id.cross", f"Nearest source of {name}"),
        Column(f"{name}_ra", "f8", "deg", "pos.eq.ra", f"Its right ascension in {name}"),
        Column(f"{name}_dec", "f8", "deg", "pos.eq.dec", f"Its declination in {name}"),
        Column(f"{name}_sep_arcsec", "f8", "arcsec", "pos.angDistance", f"Separation from {name}_id"),
        Column(
            f"{name}_ra_offset",
            "f8",
            "arcsec",
            "pos.eq.ra;arith.diff",
            f"Right ascension minus that of {name}_id, times cos(dec)",
        ),
        Column(
            f"{name}_dec_offset",
            "f8",
            "arcsec",
            "pos.eq.dec;arith.diff",
            f"Declination minus that of {name}_id",
        ),
        Column(f"{name}_n_within", "i4", None, "meta.number", f"Sources of {name} within the radius"),
    )
    return (*mine, *(handed_on(name, column) for column in extra))


def handed_on(name: str, column: Column) -> Column:
    """A column of a catalogue as it is called beside a match."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", column.name).lower()
    return Column(f"{name}_{plain}", column.dtype, column.unit, column.ucd, column.description)


def source_matches(name: str, extra: Iterable[Column] = ()) -> TableDeclaration:
    """Table of the sources' matches with a set, one row a source, in order of srcid."""
    key = Column("srcid", "i8", None, "meta.id;meta.main", "Source")
    return TableDeclaration(f"{name}_sources", f"Sources and {name}.", (key, *match_columns(name, extra)))


def detection_matches(name: str, extra: Iterable[Column] = ()) -> TableDeclaration:
    """Table of the detections' matches with a set, one row a detection, in order of detid."""
    key = Column("detid", "str", None, "meta.id;meta.main", "Detection")
    return TableDeclaration(
        f"{name}_detections", f"Detections and {name}.", (key, *match_columns(name, extra))
    )


CHANCE = TableDeclaration(
    "chance_matches",
    "Matches of sources by separation, beside those expected by chance.",
    (
        Column("sep_low", "f8", "arcsec", "pos.angDistance;stat.min", "Lower edge of the separations"),
        Column("sep_high", "f8", "arcsec", "pos.angDistance;stat.max", "Upper edge of the separations"),
        Column("n_matches", "i8", None, "meta.number", "Sources whose nearest match lies there"),
        Column("n_chance", "f8", None, "meta.number;stat.mean", "The same for shifted positions, mean"),
        Column("false_fraction", "f8", None, "stat.probability", "n_chance / n_matches, at most 1"),
        Column(
            "false_fraction_within",
            "f8",
            None,
            "stat.probability",
            "The same for all separations up to sep_high",
        ),
        Column(
            "n_model", "f8", None, "meta.number;stat.fit.param", "Matches by the Rayleigh + uniform model"
        ),
    ),
)

CALIBRATION = TableDeclaration(
    "calibration",
    "Errors of positions measured by separations from a reference catalogue.",
    (
        Column("reference", "str", None, "meta.id", "Set that the separations are from"),
        Column("what", "str", None, "meta.code.class", "sources or detections"),
        Column("min_sigma", "f8", None, "stat.snr", "Least significance of those used, in sigma"),
        Column("max_sigma", "f8", None, "stat.snr", "Their significance is below this; null for no limit"),
        Column("n", "i8", None, "meta.number", "Separations used"),
        Column("sigma", "f8", "arcsec", "stat.error;pos.eq", "Error of one axis, fitted"),
        Column("sigma_err", "f8", "arcsec", "stat.error", "Error of sigma"),
        Column("fraction", "f8", None, "stat.fit.param", "Share of true counterparts, fitted"),
        Column("fraction_err", "f8", None, "stat.error", "Error of fraction"),
        Column("sigma_stated", "f8", "arcsec", "stat.error;pos.eq", "Median of poserr / sqrt(2)"),
        Column("scale", "f8", None, "stat.value", "Factor by which the stated errors must be multiplied"),
        Column("scale_err", "f8", None, "stat.error", "Error of scale"),
        Column("ra_shift", "f8", "arcsec", "pos.eq.ra;arith.diff", "Median offset in right ascension"),
        Column("dec_shift", "f8", "arcsec", "pos.eq.dec;arith.diff", "Median offset in declination"),
    ),
)

COMPARISON = TableDeclaration(
    "comparison",
    "Our sources and those that another catalogue calls variable: matched, ours only, theirs only.",
    (
        Column("kind", "str", None, "meta.code.class", "matched, ours_only or theirs_only"),
        Column("reason", "str", None, "meta.code", "Why the other has none"),
        Column("srcid", "i8", None, "meta.id", "Our source"),
        Column("their_id", "str", None, "meta.id.cross", "Their source"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, ours if there is one"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination, ours if there is one"),
        Column("sep_arcsec", "f8", "arcsec", "pos.angDistance", "Separation of the two"),
        Column("best_sigma", "f8", None, "stat.snr", "Significance of our source, in sigma"),
        Column("variable", "bool", None, "meta.code", "Whether the other catalogue calls it variable"),
    ),
)
