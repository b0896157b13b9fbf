"""Numbers that tell a signal from the sky from interference.

A source in the beam adds up in phase: over A antennas the coherent SNR Zc grows as A, the incoherent
one Zi as sqrt(A). So Zc/Zi = sqrt(A), and the gain index g = ln(Zc/Zi)/ln sqrt(A) is 1. A signal in one
antenna has Zc/Zi = 1/sqrt(A) and g = -1. Single antennas do not see a faint source; that is no evidence
against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.beamform import FloatArray, Voltages, phasors
from ephemera.cosmic.cut import Cut, Pixels
from ephemera.cosmic.metadata import step_hz_s
from ephemera.cosmic.snr import PathStatistics
from ephemera.cosmic.stamp import Stamp

#: Incoherent SNR below which the gain of the beam is not known.
LEAST_FOR_GAIN = 2.0
NAN = float("nan")


@dataclass(frozen=True)
class Measured:
    """Statistics of a stamp's powers: incoherent, by beam, by antenna, by polarisation and antenna.

    `weighted` and `unit` (beam with coefficients of modulus 1, the best beam) are None without a recipe.
    """

    classic: PathStatistics
    weighted: PathStatistics | None
    beams: tuple[PathStatistics, ...]
    antennas: PathStatistics
    polarisations: PathStatistics
    best_coherent: int | None
    unit: PathStatistics | None


@dataclass(frozen=True)
class Features:
    """What the verdict rests on; NaN where a number is not defined. See the module for Zc, Zi and g."""

    snr_coherent: float
    snr_incoherent: float
    snr_max: float
    ant_max: int
    frac_max: float
    n_ant_above: int
    n_eff: float
    gain: float
    coherence: float
    gain_index: float
    eig_frac: float
    eig_part: float
    pol_balance: float
    zero_drift: bool
    path_corr: float
    n_live: int


def measure_cut(cut: Cut) -> Measured:
    """All statistics of a cut."""
    powers = cut.powers()
    antennas = Pixels(powers.path.sum(axis=-2), powers.columns.sum(axis=-2))
    classic = Pixels(antennas.path.sum(axis=-1), antennas.columns.sum(axis=-1))
    recipe = cut.stamp.recipe
    weighted = unit = best = None
    beams: list[PathStatistics] = []
    if recipe is not None:
        gains = recipe.calibration(cut.stamp.calibration_channel)[:, cut.antennas]
        squared = np.abs(gains.astype(np.complex128)) ** 2
        weighted = cut.statistics(
            Pixels((powers.path * squared).sum(axis=(-2, -1)), (powers.columns * squared).sum(axis=(-2, -1)))
        )
        beams = [cut.statistics(cut.beam(number)) for number in range(recipe.nbeams)]
        found = [float(beam.snr) for beam in beams]
        if beams and not all(map(math.isnan, found)):
            best = int(np.nanargmax(found))
            same = np.allclose(squared, 1.0, atol=1e-6)
            unit = beams[best] if same else cut.statistics(cut.beam(best, unit=True))
    return Measured(
        classic=cut.statistics(classic),
        weighted=weighted,
        beams=tuple(beams),
        antennas=cut.statistics(antennas),
        polarisations=cut.statistics(powers),
        best_coherent=best,
        unit=unit,
    )


def features_of(cut: Cut, measured: Measured, antenna_snr: float) -> Features:
    """Features of a stamp; `antenna_snr` is what an antenna needs to count as seeing the signal."""
    n_live = len(cut.antennas)
    shares = power_shares(measured.antennas.excess)
    known = np.nan_to_num(measured.antennas.snr, nan=-np.inf)
    best = int(np.argmax(known)) if n_live else 0
    coherent = NAN if measured.best_coherent is None else float(measured.beams[measured.best_coherent].snr)
    incoherent = float(measured.classic.snr)
    gain = beam_gain(measured)
    eig_frac, eig_part = eigen_features(cut.on_path)
    return Features(
        snr_coherent=coherent,
        snr_incoherent=incoherent,
        snr_max=float(known[best]) if n_live and np.isfinite(known[best]) else NAN,
        ant_max=int(cut.antennas[best]) if n_live else -1,
        frac_max=float(shares.max()) if n_live else NAN,
        n_ant_above=int((known >= antenna_snr).sum()),
        n_eff=float(1 / np.square(shares).sum()) if shares.any() else NAN,
        gain=gain,
        coherence=gain / float(np.sqrt(shares).sum()) ** 2 if shares.any() else NAN,
        gain_index=gain_index(coherent, incoherent, n_live),
        eig_frac=eig_frac,
        eig_part=eig_part,
        pol_balance=polarisation_balance(measured.polarisations.excess),
        zero_drift=has_zero_drift(cut.stamp),
        path_corr=path_correlation(cut.on_path),
        n_live=n_live,
    )


def power_shares(excess: FloatArray) -> FloatArray:
    """f_a: share of each antenna in the excess power, negative excess counted as none."""
    positive = np.fmax(excess, 0.0)
    total = positive.sum()
    return positive / total if total > 0 else positive


def beam_gain(measured: Measured) -> float:
    """Excess of the best beam (unit weights) over that of the incoherent sum; A for a source in the beam."""
    if measured.unit is None or not measured.classic.snr >= LEAST_FOR_GAIN:
        return NAN
    return float(measured.unit.excess / measured.classic.excess)


def gain_index(coherent: float, incoherent: float, n_antennas: int) -> float:
    """Index g = ln(max(Zc, 1)/max(Zi, 1))/ln sqrt(A): 1 for a source in the beam, -1 for one antenna."""
    if n_antennas < 2 or math.isnan(coherent) or math.isnan(incoherent):
        return NAN
    return math.log(max(coherent, 1.0) / max(incoherent, 1.0)) / (0.5 * math.log(n_antennas))


def eigen_features(on_path: Voltages) -> tuple[float, float]:
    """Share of the largest eigenvalue of the antenna covariance on the path, and the antennas that take part.

    The share is the mean over polarisations; participation 1/sum |u_a|^4 of the eigenvector is that of the
    stronger polarisation. `on_path` is (time, polarisation, antenna).
    """
    shares, strongest, part = [], -1.0, NAN
    for voltages in np.moveaxis(on_path, 1, 0):
        total = float(np.square(np.abs(voltages)).sum())
        if total == 0:
            continue
        _, values, vectors = np.linalg.svd(voltages.astype(np.complex128), full_matrices=False)
        shares.append(values[0] ** 2 / np.square(values).sum())
        if values[0] > strongest:
            strongest = float(values[0])
            part = float(1 / (np.abs(vectors[0]) ** 4).sum())
    return (float(np.mean(shares)), part) if shares else (NAN, NAN)


def polarisation_balance(excess: FloatArray) -> float:
    """(E_0 - E_1)/(E_0 + E_1) of the excess (polarisation, antenna); NaN for one polarisation."""
    by_polarisation = excess.sum(axis=-1)
    if len(by_polarisation) != 2 or by_polarisation.sum() == 0:
        return NAN
    return float((by_polarisation[0] - by_polarisation[1]) / by_polarisation.sum())


def correlations(on_path: Voltages) -> FloatArray:
    """|v_i . v_j*| / (|v_i| |v_j|) of all antennas (antenna, antenna), polarisations joined."""
    series = on_path.reshape(-1, on_path.shape[-1]).astype(np.complex128)
    norms = np.linalg.norm(series, axis=0)
    products = np.abs(series.conj().T @ series)
    scale = np.outer(norms, norms)
    found: FloatArray = np.divide(products, scale, out=np.zeros_like(products), where=scale > 0)
    return found


def path_correlation(on_path: Voltages) -> float:
    """Median correlation of pairs of antennas on the path: s/(1+s) for a source of s times the noise."""
    matrix = correlations(on_path)
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return float(np.median(pairs)) if len(pairs) else NAN


def has_zero_drift(stamp: Stamp) -> bool:
    """Whether the signal drifts by less than one step over the recording."""
    meta, signal = stamp.metadata, stamp.metadata.signal
    if signal is None:
        return False
    step = abs(step_hz_s(meta.foff, meta.tsamp, meta.numTimesteps))
    return signal.driftSteps == 0 or abs(signal.driftRate) < step * (1 - 1e-6)


def antenna_phases(cut: Cut, beam: int | None) -> npt.NDArray[np.float64]:
    """Phase (degree) of each live antenna on the path against the strongest, after the phases of a beam."""
    voltages = cut.on_path
    recipe = cut.stamp.recipe
    if recipe is not None and beam is not None:
        ghz = cut.stamp.frequencies_mhz[cut.path] * 1e-3
        delays = recipe.delays[cut.stamp.recipe_rows()[cut.steps], beam][:, cut.antennas]
        gains = recipe.calibration(cut.stamp.calibration_channel)[:, cut.antennas]
        voltages = voltages * np.conj(gains * phasors(ghz, delays)[:, np.newaxis])
    series = voltages.reshape(-1, voltages.shape[-1]).astype(np.complex128)
    reference = series[:, int(np.argmax(np.abs(series).sum(axis=0)))]
    found: npt.NDArray[np.float64] = np.degrees(np.angle(reference.conj() @ series))
    return found
