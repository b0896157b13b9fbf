"""Rows of the tables of stamps, antennas and beams for one stamp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ephemera.cosmic.cut import Cut, cut_of
from ephemera.cosmic.features import (
    Features,
    Measured,
    antenna_phases,
    features_of,
    measure_cut,
    power_shares,
)
from ephemera.cosmic.flags import BadMessage, Flag, joined
from ephemera.cosmic.metadata import Signal
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.snr import CONTAMINATED, PathStatistics, inside
from ephemera.cosmic.stamp import MOST_BAD, Stamp
from ephemera.cosmic.stamp_columns import ANTENNAS, STAMPS
from ephemera.cosmic.verdict import Thresholds, judge
from ephemera.sky.times import mjd_of_unix

if TYPE_CHECKING:
    from ephemera.config.cosmic import Stamps as Settings

Row = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """The recipe of a stamp and why."""

    recipe: Recipe | None
    score: int
    reason: str
    flags: str = ""


@dataclass(frozen=True)
class Described:
    """Rows of the three tables for one stamp."""

    stamp: Row
    antennas: list[Row]
    beams: list[Row]


def describe(stamp: Stamp, stamp_id: str, choice: Choice, settings: Settings) -> Described:
    """All numbers of one stamp. Raises BadMessage for one with too many pixels that are not finite."""
    if stamp.bad_frac > MOST_BAD:
        raise BadMessage(Flag.NON_FINITE, f"{stamp.bad_frac:.0%} of the pixels are not finite")
    flags = set(stamp.flags)
    if stamp.bad_pixels is not None:
        flags.add(Flag.NON_FINITE)
    if not stamp.live_antennas.all():
        flags.add(Flag.DEAD_ANTENNA)
    row: Row = dict.fromkeys(STAMPS.names)
    row |= _metadata_row(stamp) | _recipe_row(choice)
    row |= {"stamp_id": stamp_id, "bad_frac": stamp.bad_frac, "n_live": int(stamp.live_antennas.sum())}
    cut = cut_of(stamp, settings.edge_columns) if stamp.live_antennas.any() else None
    if cut is None and stamp.path() is not None:
        flags.add(Flag.NARROW)
    antennas, beams, features = _antenna_rows(stamp, stamp_id, None, None), [], None
    row["path_pixels"] = _pixels_inside(stamp)
    if cut is not None:
        measured = measure_cut(cut)
        features = features_of(cut, measured, settings.antenna_snr)
        row |= _result_row(stamp, measured) | _feature_row(stamp, features)
        if row["edge_q"] is not None and row["edge_q"] > CONTAMINATED:
            flags.add(Flag.EDGES_CONTAMINATED)
        antennas = _antenna_rows(stamp, stamp_id, cut, measured)
        beams = _beam_rows(stamp, stamp_id, measured)
    judged = judge(
        features,
        tuple(flags),
        has_recipe=bool(stamp.recipe and stamp.recipe.nbeams),
        bad_frac=stamp.bad_frac,
        thresholds=thresholds(settings),
    )
    row |= {"class": str(judged.verdict), "reasons": "; ".join(judged.reasons)}
    row["confidence"] = judged.confidence
    row["flags"] = " ".join(part for part in (joined(flags), choice.flags) if part)
    return Described(row, antennas, beams)


def thresholds(settings: Settings) -> Thresholds:
    """Thresholds of the verdict as configured."""
    return Thresholds(
        snr_min=settings.snr_min,
        single_frac=settings.single_frac,
        few_antennas=settings.few_antennas,
        gain_index_min=settings.gain_index_min,
    )


def _metadata_row(stamp: Stamp) -> Row:
    meta = stamp.metadata
    bad = Flag.BAD_COORDS in stamp.flags
    row: Row = {
        "position": stamp.position,
        "offset": stamp.offset,
        "source": meta.sourceName,
        "obsid": meta.obsid,
        "ra_deg": None if bad else meta.ra * 15,
        "dec_deg": None if bad else meta.dec,
        "fch1_mhz": meta.fch1,
        "foff_hz": meta.foff * 1e6,
        "tstart_unix": meta.tstart,
        "tstart_mjd": mjd_of_unix(meta.tstart),
        "tsamp_s": meta.tsamp,
        "telescope_id": meta.telescopeId,
        "n_time": meta.numTimesteps,
        "n_chan": meta.numChannels,
        "n_pol": meta.numPolarizations,
        "n_ant": meta.numAntennas,
        "coarse_channel": meta.coarseChannel,
        "fft_size": meta.fftSize,
        "start_channel": meta.startChannel,
        "schan": meta.schan,
        "seticore_version": meta.seticoreVersion,
    }
    if meta.signal is not None:
        row |= {f"sig_{name}": value for name, value in _signal_row(stamp, meta.signal).items()}
    return row


def _signal_row(stamp: Stamp, signal: Signal) -> Row:
    return {
        "freq_mhz": signal.frequency,
        "drift_rate_hz_s": signal.driftRate,
        "drift_steps": signal.driftSteps,
        "snr": signal.snr,
        "beam": signal.beam,
        "beam_kind": beam_kind(signal.beam, stamp.recipe.nbeams if stamp.recipe else None),
        "coarse_channel": signal.coarseChannel,
        "index": signal.index,
        "n_time": signal.numTimesteps,
        "power": signal.power,
        "incoherent_power": signal.incoherentPower,
    }


def beam_kind(beam: int | None, n_beams: int | None) -> str:
    """Coherent, incoherent (-1, or past the last beam) or unknown (no beam named, or beams not counted)."""
    if beam is not None and beam < 0:
        return "incoherent"
    if beam is None or n_beams is None:
        return "unknown"
    return "coherent" if beam < n_beams else "incoherent"


def _recipe_row(choice: Choice) -> Row:
    path = choice.recipe.path if choice.recipe else None
    return {
        "recipe_file": None if path is None else str(path),
        "recipe_score": choice.score,
        "recipe_reason": choice.reason,
    }


def _result_row(stamp: Stamp, measured: Measured) -> Row:
    weighted = measured.weighted
    best = weighted or measured.classic
    if stamp.best_beam is not None:
        best = measured.beams[stamp.best_beam]
    signal = stamp.metadata.signal
    stored = signal.power if signal is not None else None
    path = stamp.path()
    assert path is not None
    return {
        "best_beam": "incoherent" if stamp.best_beam is None else str(stamp.best_beam),
        "path_column": int(path[0]),
        "power_path": float(best.power),
        "power_ratio": float(best.power) / stored if stored else None,
        "snr_local": float(best.snr),
        "snr_local_legacy": float(best.snr_legacy),
        "edge_q": float(best.edge_q),
        "edge_asym": float(best.edge_asym),
        "power_classic": float(measured.classic.power),
        "snr_classic_legacy": float(measured.classic.snr_legacy),
        "power_weighted": None if weighted is None else float(weighted.power),
        "snr_weighted": None if weighted is None else float(weighted.snr),
        "snr_weighted_legacy": None if weighted is None else float(weighted.snr_legacy),
        "best_coherent": measured.best_coherent,
    }


def _feature_row(stamp: Stamp, features: Features) -> Row:
    row = asdict(features)
    best = row.pop("ant_max")
    return row | {"ant_max": antenna_name(stamp, best), "ant_max_index": best}


def _pixels_inside(stamp: Stamp) -> int | None:
    path = stamp.path()
    return None if path is None else int(inside(path, stamp.metadata.numChannels).sum())


def antenna_name(stamp: Stamp, index: int) -> str:
    """Name in the recipe, or ant00, ant01, ... without one."""
    return stamp.recipe.antenna_names[index] if stamp.recipe else f"ant{index:02d}"


def _antenna_rows(stamp: Stamp, stamp_id: str, cut: Cut | None, measured: Measured | None) -> list[Row]:
    rows = []
    for index in range(stamp.metadata.numAntennas):
        row: Row = dict.fromkeys(ANTENNAS.names)
        row |= {"stamp_id": stamp_id, "index": index, "name": antenna_name(stamp, index)}
        if stamp.recipe is not None:
            x, y, z = stamp.recipe.antenna_positions[index].tolist()
            row |= {"x_m": x, "y_m": y, "z_m": z}
        rows.append(row)
    if cut is None or measured is None:
        return rows
    s = measured.antennas
    values: Mapping[str, Any] = {
        "power_path": s.power,
        "power_noise": s.noise,
        "noise_std": s.noise_std,
        "excess": s.excess,
        "snr": s.snr,
        "snr_legacy": s.snr_legacy,
        "frac": power_shares(s.excess),
        "phase_deg": antenna_phases(cut, measured.best_coherent),
        "snr_pol0": measured.polarisations.snr[0],
        "snr_pol1": measured.polarisations.snr[1] if stamp.metadata.numPolarizations > 1 else None,
    }
    for name, numbers in values.items():
        if numbers is not None:
            for index, number in zip(cut.antennas.tolist(), numbers.tolist(), strict=True):
                rows[index][name] = number
    return rows


def _beam_rows(stamp: Stamp, stamp_id: str, measured: Measured) -> list[Row]:
    found: list[tuple[int | None, str, PathStatistics | None]] = [(None, "classic", measured.classic)]
    found.append((None, "weighted", measured.weighted))
    found += [(number, "coherent", s) for number, s in enumerate(measured.beams)]
    names = stamp.recipe.src_names if stamp.recipe else []
    return [
        {
            "stamp_id": stamp_id,
            "beam": beam,
            "kind": kind,
            "source": names[beam] if beam is not None and beam < len(names) else None,
            "power_path": float(s.power),
            "power_noise": float(s.noise),
            "noise_std": float(s.noise_std),
            "snr": float(s.snr),
            "snr_legacy": float(s.snr_legacy),
            "edge_q": float(s.edge_q),
            "edge_asym": float(s.edge_asym),
        }
        for beam, kind, s in found
        if s is not None
    ]
