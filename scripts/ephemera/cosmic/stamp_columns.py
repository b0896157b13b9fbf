"""Columns of the tables made from stamps: one row a stamp, a stamp and antenna, a stamp and beam."""

from __future__ import annotations

from ephemera.cosmic.hit_columns import SIGNAL_COLUMNS
from ephemera.tables import Column, TableDeclaration

_FLUX, _SNR = "phot.flux", "stat.snr"
_ID = Column("stamp_id", "str", None, "meta.id;meta.main", "Observation, stamps file, number in the file")

_PLACE = (
    _ID,
    Column("file", "str", None, "meta.file", "File"),
    Column("part", "str", None, "meta.id", "Number of the stamps file, or single"),
    Column("position", "i8", None, "meta.id", "Number of the message in the file, from 0"),
    Column("offset", "i8", "byte", None, "First byte of the message"),
    Column("source", "str", None, "meta.id;src", "Target at the boresight"),
    Column("obsid", "str", None, "meta.id;obs", "Observation, as the file names it"),
    Column("ra_deg", "f8", "deg", "pos.eq.ra", "Right ascension of the boresight (the file has hours)"),
    Column("dec_deg", "f8", "deg", "pos.eq.dec", "Declination of the boresight"),
    Column("fch1_mhz", "f8", "MHz", "em.freq", "Frequency of the first channel"),
    Column("foff_hz", "f8", "Hz", "em.freq;spect.resolution", "Width of a channel, negative downwards"),
    Column("tstart_unix", "f8", "s", "time.start", "Start, Unix seconds (UTC)"),
    Column("tstart_mjd", "f8", "d", "time.start", "Start, MJD (UTC)"),
    Column("tsamp_s", "f8", "s", "time.resolution", "Length of a time step"),
    Column("telescope_id", "i4", None, "meta.id;instr.tel", "Telescope: 4 Parkes, 6 GBT, 9 ATA, 12 VLA"),
    Column("n_time", "i4", None, "meta.number", "Time steps"),
    Column("n_chan", "i4", None, "meta.number", "Channels"),
    Column("n_pol", "i4", None, "meta.number", "Polarisations"),
    Column("n_ant", "i4", None, "meta.number", "Antennas"),
    Column("coarse_channel", "i4", None, "meta.id", "Coarse channel"),
    Column("fft_size", "i4", None, "meta.number", "Fine channels of a coarse channel"),
    Column("start_channel", "i4", None, None, "Fine channel of the first column"),
    Column("schan", "i4", None, None, "First channel of the recording, in channels of the recipe"),
    Column("seticore_version", "str", None, "meta.version", "Version of the writer"),
    Column("recipe_file", "str", None, "meta.file", "Recipe"),
    Column("recipe_score", "i4", None, None, "8 obsid, 4 prefix, 2 time, 1 folder"),
    Column("recipe_reason", "str", None, "meta.note", "What the choice rests on"),
)

_SIGNAL = tuple(
    Column(f"sig_{column.name}", column.dtype, column.unit, column.ucd, column.description)
    for column in SIGNAL_COLUMNS
)

_RESULTS = (
    Column("best_beam", "str", None, "meta.id", "The detector's beam, or incoherent"),
    Column("path_column", "i4", None, None, "Column of the signal at the first time step"),
    Column("path_pixels", "i4", None, "meta.number", "Steps of the path inside the stamp"),
    Column("power_path", "f8", None, _FLUX, "Power on the path, best beam"),
    Column("power_ratio", "f8", None, "arith.ratio", "The same over the detector's power"),
    Column("snr_local", "f8", None, _SNR, "Path against the edges, best beam"),
    Column("snr_local_legacy", "f8", None, _SNR, "As the reference viewer has it; biased"),
    Column("edge_q", "f8", None, "stat.fit.goodness", "Spread of the edges over what noise explains"),
    Column("edge_asym", "f8", None, None, "Left minus right edge over their mean"),
    Column("power_classic", "f8", None, _FLUX, "Power on the path, classic incoherent"),
    Column("snr_classic_legacy", "f8", None, _SNR, "Legacy SNR, classic incoherent"),
    Column("power_weighted", "f8", None, _FLUX, "Power on the path, weighted incoherent"),
    Column("snr_weighted", "f8", None, _SNR, "Local SNR, weighted incoherent"),
    Column("snr_weighted_legacy", "f8", None, _SNR, "Legacy SNR, weighted incoherent"),
    Column("best_coherent", "i4", None, "meta.id", "Coherent beam of largest local SNR"),
)

#: Named as the fields of `Features`.
_FEATURES = (
    Column("snr_coherent", "f8", None, _SNR, "Zc: largest local SNR of a coherent beam"),
    Column("snr_incoherent", "f8", None, _SNR, "Zi: local SNR of the classic incoherent sum"),
    Column("snr_max", "f8", None, _SNR, "Largest local SNR of an antenna"),
    Column("ant_max", "str", None, "meta.id;instr", "That antenna"),
    Column("ant_max_index", "i4", None, "meta.id;instr", "Its index in the file"),
    Column("frac_max", "f8", None, "arith.ratio", "Largest share of an antenna in the excess power"),
    Column("n_ant_above", "i4", None, "meta.number", "Antennas that see the signal by themselves"),
    Column("n_eff", "f8", None, "meta.number", "Effective number of antennas in the excess power"),
    Column("gain", "f8", None, "arith.ratio", "Excess of the best beam over that of the incoherent sum"),
    Column("coherence", "f8", None, "arith.ratio", "Gain over the gain of a source in the beam"),
    Column("gain_index", "f8", None, None, "ln(Zc/Zi)/ln sqrt(A): 1 sky, -1 one antenna"),
    Column("eig_frac", "f8", None, "arith.ratio", "Share of the largest eigenvalue on the path"),
    Column("eig_part", "f8", None, "meta.number", "Antennas that take part in it"),
    Column("pol_balance", "f8", None, "phys.polarization", "(E0 - E1)/(E0 + E1) of the excess"),
    Column("zero_drift", "bool", None, "meta.code", "Less than one step of drift"),
    Column("path_corr", "f8", None, "stat.correlation", "Median correlation of pairs of antennas"),
    Column("n_live", "i4", None, "meta.number", "Antennas that are not dead"),
)

_VERDICT = (
    Column("bad_frac", "f8", None, "arith.ratio", "Share of pixels that are not finite"),
    Column("class", "str", None, "meta.code.class", "Verdict"),
    Column("reasons", "str", None, "meta.note", "Features against thresholds that decided"),
    Column("confidence", "str", None, "meta.code.qual", "low or high"),
    Column("flags", "str", None, "meta.code.qual", "What is special about the stamp"),
)

STAMPS = TableDeclaration(
    "stamps",
    "Stamps with their measured powers, features against interference, and verdicts.",
    (*_PLACE, *_SIGNAL, *_RESULTS, *_FEATURES, *_VERDICT),
)

MATCHED_STAMPS = TableDeclaration(
    "stamps",
    STAMPS.description,
    (
        *STAMPS.columns,
        Column("hit_id", "str", None, "meta.id", "Hit from which the stamp was cut"),
        Column("match_kind", "str", None, "meta.code", "exact or covers"),
        Column("n_candidates", "i4", None, "meta.number", "Hits that could be it"),
        Column("kept", "bool", None, "meta.code", "Whether no filter removes its hit"),
    ),
)

ANTENNAS = TableDeclaration(
    "antennas",
    "The signal of each stamp in each antenna.",
    (
        _ID,
        Column("index", "i4", None, "meta.id;instr", "Antenna, in the order of the file"),
        Column("name", "str", None, "meta.id;instr", "Name in the recipe"),
        Column("x_m", "f8", "m", "pos.cartesian.x;instr", "Position in the recipe"),
        Column("y_m", "f8", "m", "pos.cartesian.y;instr", "Position in the recipe"),
        Column("z_m", "f8", "m", "pos.cartesian.z;instr", "Position in the recipe"),
        Column("power_path", "f8", None, _FLUX, "Power on the path"),
        Column("power_noise", "f8", None, _FLUX, "Mean of the column sums at the edges"),
        Column("noise_std", "f8", None, "stat.stdev", "Their standard deviation"),
        Column("excess", "f8", None, _FLUX, "power_path - power_noise"),
        Column("snr", "f8", None, _SNR, "Local SNR"),
        Column("snr_legacy", "f8", None, _SNR, "As the reference viewer has it; biased"),
        Column("frac", "f8", None, "arith.ratio", "Share in the excess power"),
        Column(
            "phase_deg", "f8", "deg", "phys.phase", "Phase against the strongest, in the best coherent beam"
        ),
        Column("snr_pol0", "f8", None, _SNR, "Local SNR, first polarisation"),
        Column("snr_pol1", "f8", None, _SNR, "Local SNR, second polarisation"),
    ),
)

BEAMS = TableDeclaration(
    "beams",
    "The signal of each stamp in each beam.",
    (
        _ID,
        Column("beam", "i4", None, "meta.id", "Coherent beam, null for incoherent sums"),
        Column("kind", "str", None, "meta.code.class", "coherent, classic or weighted"),
        Column("source", "str", None, "meta.id;src", "Target of the beam"),
        Column("power_path", "f8", None, _FLUX, "Power on the path"),
        Column("power_noise", "f8", None, _FLUX, "Mean of the column sums at the edges"),
        Column("noise_std", "f8", None, "stat.stdev", "Their standard deviation"),
        Column("snr", "f8", None, _SNR, "Local SNR"),
        Column("snr_legacy", "f8", None, _SNR, "As the reference viewer has it; biased"),
        Column("edge_q", "f8", None, "stat.fit.goodness", "Spread of the edges over what noise explains"),
        Column("edge_asym", "f8", None, None, "Left minus right edge over their mean"),
    ),
)
