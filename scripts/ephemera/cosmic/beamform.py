"""Powers of voltages: single antennas, incoherent sums and coherent beams.

Voltages V[t,c,p,a]. The coefficient of beam b, not conjugated, is

    w_b[t,c,p,a] = cal[p,a] exp(+2 pi i f[c] delay[n(t),b,a]),  f in GHz, delay in ns

with f the frequency of the fine channel and n(t) the row of the recipe nearest in time. The coherent beam is
sum_p |sum_a conj(w) V|^2, the weighted incoherent one sum_p sum_a |conj(w) V|^2, in which phases cancel.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Voltages = npt.NDArray[np.complex64]


def pixel_powers(voltages: Voltages) -> npt.NDArray[np.float32]:
    """Power sum_p |V|^2 of each antenna (..., antenna), from voltages (..., polarisation, antenna).

    One product with a matrix of zeros and ones adds real and imaginary parts and polarisations.
    """
    n_pol, n_ant = voltages.shape[-2:]
    numbers = np.ascontiguousarray(voltages).view(np.float32).reshape(-1, n_pol * n_ant * 2)
    powers: npt.NDArray[np.float32] = np.square(numbers) @ _adder(n_pol, n_ant)
    return powers.reshape(*voltages.shape[:-2], n_ant)


def incoherent(voltages: Voltages, weights: npt.ArrayLike | None = None) -> FloatArray:
    """Sum of |V|^2 over polarisations and antennas, times `weights` (polarisation, antenna) if given."""
    n_pol, n_ant = voltages.shape[-2:]
    numbers = np.ascontiguousarray(voltages).view(np.float32).reshape(-1, n_pol * n_ant * 2)
    each = np.ones((n_pol, n_ant)) if weights is None else np.asarray(weights)
    column = np.repeat(each.reshape(-1), 2).astype(np.float32)
    powers: FloatArray = (np.square(numbers) @ column).reshape(voltages.shape[:-2]).astype(np.float64)
    return powers


def phasors(frequencies_ghz: npt.ArrayLike, delays_ns: npt.ArrayLike) -> npt.NDArray[np.complex64]:
    """exp(+2 pi i f tau) (..., antenna) for frequencies (...) and delays (antenna,) or (..., antenna)."""
    turns = np.asarray(frequencies_ghz, np.float64)[..., np.newaxis] * np.asarray(delays_ns, np.float64)
    turns -= np.rint(turns)
    found: npt.NDArray[np.complex64] = np.exp(2j * np.pi * turns).astype(np.complex64)
    return found


def coherent(voltages: Voltages, weights: npt.NDArray[np.complex64]) -> FloatArray:
    """Power sum_p |sum_a conj(w) V|^2 (...) of voltages (..., polarisation, antenna).

    `weights` broadcast against the voltages.
    """
    summed = (voltages * np.conj(weights)).sum(axis=-1)
    powers: FloatArray = np.square(summed.real, dtype=np.float64) + np.square(summed.imag, dtype=np.float64)
    total: FloatArray = powers.sum(axis=-1)
    return total


@cache
def _adder(n_pol: int, n_ant: int) -> Any:
    """Matrix (polarisation x antenna x 2, antenna) that adds what belongs to an antenna."""
    one = np.repeat(np.eye(n_ant, dtype=np.float32), 2, axis=0)
    return np.ascontiguousarray(np.tile(one, (n_pol, 1)))
