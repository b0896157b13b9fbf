"""Columns of the table of detections: what the regions say, what the features say, and the exposure."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.feature_columns import FEATURE_COLUMNS
from ephemera.xmm.region_columns import REGION_COLUMNS

DETECTION_COLUMNS: tuple[Column, ...] = (
    *REGION_COLUMNS,
    *FEATURE_COLUMNS,
    Column("mjd_peak", "f8", "d", "time.epoch", "Middle of the most significant frame, MJD (TT)"),
    Column("cameras", "str", None, "meta.id;instr", "Cameras searched together"),
    Column("submode", "str", None, "meta.id;instr", "Submode of each camera"),
    Column("filter", "str", None, "meta.id;instr", "Filter of each camera"),
    Column("off_axis", "f8", "arcmin", "pos.angDistance", "Angle from the reference of the event lists"),
)

DETECTIONS = TableDeclaration(
    "detections", "Bursts and eclipses: one row for each region of each run.", DETECTION_COLUMNS
)
