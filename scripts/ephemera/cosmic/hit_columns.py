"""Columns that describe a signal, and those of the table of hits."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration

_FREQ = "em.freq"

#: Columns of a signal; in the table of stamps they are named `sig_...`.
SIGNAL_COLUMNS = (
    Column("freq_mhz", "f8", "MHz", _FREQ, "Frequency at the first time step"),
    Column("drift_rate_hz_s", "f8", "Hz/s", "em.freq;arith.rate", "Drift rate"),
    Column(
        "drift_steps", "i4", None, None, "Channels drifted over the time steps, rounded up to a power of 2"
    ),
    Column("snr", "f4", None, "stat.snr", "Signal to noise of the detector"),
    Column("beam", "i4", None, "meta.id", "Beam, null where the file does not tell"),
    Column("beam_kind", "str", None, "meta.code.class", "coherent, incoherent or unknown"),
    Column("coarse_channel", "i4", None, "meta.id", "Coarse channel"),
    Column("index", "i4", None, None, "Fine channel of the start, within the coarse channel"),
    Column("n_time", "i4", None, "meta.number", "Time steps the detector had"),
    Column("power", "f4", None, "phot.flux", "Power on the path, of the detector"),
    Column("incoherent_power", "f4", None, "phot.flux", "The same in the incoherent beam"),
)
_S = {column.name: column for column in SIGNAL_COLUMNS}

HITS = TableDeclaration(
    "hits",
    "Hits of a narrow-band search, one row each; none is left out by a filter.",
    (
        Column("hit_id", "str", None, "meta.id;meta.main", "Observation and number in the file"),
        Column("file", "str", None, "meta.file", "File"),
        Column("position", "i8", None, "meta.id", "Number of the message in the file, from 0"),
        Column("offset", "i8", "byte", None, "First byte of the message"),
        Column("source", "str", None, "meta.id;src", "Target of the beam"),
        Column("ra_deg", "f8", "deg", "pos.eq.ra", "Right ascension (the file has hours)"),
        Column("dec_deg", "f8", "deg", "pos.eq.dec", "Declination"),
        *(_S[name] for name in ("freq_mhz", "drift_rate_hz_s", "drift_steps", "snr", "beam", "beam_kind")),
        *(_S[name] for name in ("coarse_channel", "index")),
        Column("start_channel", "i4", None, None, "Fine channel of the first column of the cut-out"),
        _S["n_time"],
        Column("n_chan", "i4", None, "meta.number", "Columns of the cut-out"),
        Column("fch1_mhz", "f8", "MHz", _FREQ, "Frequency of the first column"),
        Column("foff_hz", "f8", "Hz", "em.freq;spect.resolution", "Width of a channel, negative downwards"),
        Column("tstart_mjd", "f8", "d", "time.start", "Start, MJD (UTC)"),
        Column("tsamp_s", "f8", "s", "time.resolution", "Length of a time step"),
        _S["power"],
        _S["incoherent_power"],
        Column("telescope_id", "i4", None, "meta.id;instr.tel", "Telescope: 4 Parkes, 6 GBT, 9 ATA, 12 VLA"),
        Column("has_data", "bool", None, "meta.code", "Whether the file has the power around the hit"),
        Column("path_power", "f8", None, "phot.flux", "Power on the path in the cut-out"),
        Column("edge_mean", "f8", None, "phot.flux;stat.mean", "Mean of the column sums at its edges"),
        Column("edge_std", "f8", None, "phot.flux;stat.stdev", "Their standard deviation"),
        Column("snr_local", "f8", None, "stat.snr", "Path against the columns at the edges"),
        Column("snr_local_legacy", "f8", None, "stat.snr", "As the reference viewer has it; biased"),
        Column("edge_q", "f8", None, "stat.fit.goodness", "Spread of the edges over what noise explains"),
        Column("flags", "str", None, "meta.code.qual", "What is special about the message"),
    ),
)

#: What joining with stamps and the filters add.
EVENT_COLUMNS = (
    Column("stamp_id", "str", None, "meta.id", "Stamp cut around this hit"),
    Column("match_kind", "str", None, "meta.code", "exact or covers"),
    Column("dup_of", "str", None, "meta.id", "Hit of which this is a copy"),
    Column("repeat_of", "str", None, "meta.id", "Stronger hit of the same signal"),
    Column("n_repeats", "i4", None, "meta.number", "Weaker hits of the same signal"),
    Column("n_beams", "i4", None, "meta.number", "Beams that have the signal"),
    Column("kept", "bool", None, "meta.code", "Whether no filter removes the hit"),
    Column("reason", "str", None, "meta.note", "The filter that removes it"),
)

FILTERED_HITS = TableDeclaration("hits", HITS.description, (*HITS.columns, *EVENT_COLUMNS))
