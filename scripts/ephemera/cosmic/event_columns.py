"""Columns of the tables of filters and of cadence events."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration

FILTER_COUNTS = TableDeclaration(
    "filter_counts",
    "Hits before and after each filter, and those removed by reason.",
    (
        Column("prefix", "str", None, "meta.id;obs", "Observation, or project for a cadence"),
        Column("number", "i4", None, "meta.id", "Order of the filters"),
        Column("step", "str", None, "meta.id", "Filter"),
        Column("parameters", "str", None, "meta.note", "Its options"),
        Column("n_in", "i8", None, "meta.number", "Hits before"),
        Column("n_out", "i8", None, "meta.number", "Hits after"),
        Column("n_removed", "i8", None, "meta.number", "Hits removed"),
        Column("by_reason", "str", None, "meta.note", "Hits removed by each reason"),
    ),
)

EVENTS = TableDeclaration(
    "events",
    "Signals of a cadence, one row each.",
    (
        Column("event_id", "str", None, "meta.id;meta.main", "Project and number, strongest first"),
        Column("level", "i4", None, "meta.code.class", "1 cuts passed, 2 ON and never OFF, 3 every ON"),
        Column("source", "str", None, "meta.id;src", "Target"),
        Column("freq_mhz", "f8", "MHz", "em.freq", "Frequency of the strongest hit"),
        Column("drift_rate_hz_s", "f8", "Hz/s", "em.freq;arith.rate", "Its drift rate"),
        Column("snr", "f8", None, "stat.snr", "Its signal to noise"),
        Column("tstart_mjd", "f8", "d", "time.start", "Start of its observation, MJD (UTC)"),
        Column("n_on", "i4", None, "meta.number", "ON observations that have the signal"),
        Column("n_off", "i4", None, "meta.number", "OFF observations that have it"),
        Column("seen", "str", None, "meta.note", "For each observation: + has it, - has not, ? is absent"),
        Column("hits", "str", None, "meta.id", "Member hits"),
        Column("absent", "str", None, "meta.note", "Observations of the cadence that are not there"),
        Column("pattern", "str", None, "meta.note", "Targets in order"),
    ),
)
