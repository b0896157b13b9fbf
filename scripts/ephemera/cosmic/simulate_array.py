"""An array of antennas that looks at beams: positions, delays, calibration, and its recipe.

Delay of beam b at antenna a: (x_a - x_0) . (s_b - s_0)/c, with s_0 the direction of the phase centre.
The sign follows the coefficient that readers use (see `beamform`); no signal from the sky was at hand to
confirm it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.sky.motion import J2000_MJD
from ephemera.sky.times import JD_OF_MJD_0, MJD_OF_UNIX_0, SECONDS_PER_DAY, mjd_of_unix

FloatArray = npt.NDArray[np.float64]

#: Centre of the VLA (ECEF, m) and the azimuths of its arms (degrees from north to east).
CENTRE = (-1601185.4, -5041977.5, 3554875.9)
ARM_AZIMUTHS_DEG = (355.0, 115.0, 236.0)
#: Antennas of simulated recordings; each arm takes its share, first to last.
N_ANTENNAS = 25
#: Distance of the n-th antenna of an arm from the centre: NEAREST_M n^GROWTH, 40 to 620 m (smallest layout).
NEAREST_M, GROWTH = 40.0, 1.25
#: Phase centre and first beam of a recording at the VLA, rad.
BORESIGHT = (2.2614718356, -0.0120951317)
FIRST_BEAM = (2.261615098026772, -0.012211370644503524)
LIGHT_M_NS = 0.299792458
LONGITUDE_DEG, LATITUDE_DEG, ALTITUDE_M = -107.617772, 34.078749, 2124.0
ARCSEC = np.pi / 180 / 3600


@dataclass(frozen=True)
class Array:
    """Names and positions (m) of antennas, beams (rad), times (Unix s), delays (time, beam, antenna) in ns.

    `gains` is cal_all (channel, polarisation, antenna).
    """

    names: tuple[str, ...]
    positions: FloatArray
    beams: FloatArray
    times: FloatArray
    delays: FloatArray
    gains: npt.NDArray[np.complex64]

    @property
    def n_ant(self) -> int:
        """Number of antennas."""
        return len(self.names)


def vla_positions() -> tuple[tuple[str, ...], FloatArray]:
    """Names and positions (antenna, 3: ECEF, m) of antennas that stand in a Y, as those of the VLA do."""
    number = np.arange(N_ANTENNAS)
    arm, along = number % 3, number // 3 + 1
    distance = NEAREST_M * along**GROWTH
    azimuth = np.radians(ARM_AZIMUTHS_DEG)[arm]
    east, north = distance * np.sin(azimuth), distance * np.cos(azimuth)
    longitude, latitude = np.radians((LONGITUDE_DEG, LATITUDE_DEG))
    to_east = np.array((-np.sin(longitude), np.cos(longitude), 0.0))
    to_north = np.array(
        (
            -np.sin(latitude) * np.cos(longitude),
            -np.sin(latitude) * np.sin(longitude),
            np.cos(latitude),
        )
    )
    places = np.array(CENTRE) + east[:, np.newaxis] * to_east + north[:, np.newaxis] * to_north
    return tuple(f"vla{k:02d}" for k in number), places


def antennas(count: int, rng: np.random.Generator) -> tuple[tuple[str, ...], FloatArray]:
    """The VLA's antennas as far as they go, then random ones within 500 m of the first."""
    names, places = vla_positions()
    more = count - len(names)
    if more <= 0:
        return names[:count], places[:count]
    extra = places[0] + rng.uniform(-500, 500, (more, 3))
    return (*names, *(f"extra{k:02d}" for k in range(more))), np.concatenate((places, extra))


def directions(ra: npt.ArrayLike, dec: npt.ArrayLike, unix: npt.ArrayLike) -> FloatArray:
    """Unit vectors (..., 3) in the frame of the turning Earth, for directions and times that broadcast."""
    days = mjd_of_unix(np.asarray(unix, np.float64)) - J2000_MJD
    sidereal = np.radians((280.46061837 + 360.98564736629 * days) % 360.0)
    angle, height = np.asarray(ra, np.float64) - sidereal, np.asarray(dec, np.float64)
    flat = np.cos(height)
    return np.stack(np.broadcast_arrays(flat * np.cos(angle), flat * np.sin(angle), np.sin(height)), axis=-1)


def beam_delays(
    positions: FloatArray, beams: FloatArray, centre: tuple[float, float], times: FloatArray
) -> FloatArray:
    """Delays (time, beam, antenna), ns, of beams (beam, 2: ra, dec in rad) against the phase centre."""
    towards = directions(beams[:, 0], beams[:, 1], times[:, np.newaxis])
    middle = directions(*centre, times)[:, np.newaxis]
    found: FloatArray = (towards - middle) @ (positions - positions[0]).T / LIGHT_M_NS
    return found


def make_array(
    rng: np.random.Generator,
    *,
    n_ant: int = 25,
    n_pol: int = 2,
    n_beam: int = 2,
    n_chan: int = 8,
    first: float,
    last: float,
    gain_scatter: float = 0.0,
    phase_errors: float = 0.0,
) -> Array:
    """An array whose first beam is that of a real recording; others lie within 30 arcsec of it.

    `gain_scatter` is relative, `phase_errors` in rad; both are known to the recipe (they are its gains).
    """
    names, positions = antennas(n_ant, rng)
    beams = np.array(FIRST_BEAM) + rng.uniform(-30, 30, (n_beam, 2)) * ARCSEC
    if n_beam:
        beams[0] = FIRST_BEAM
    times = np.linspace(first, last, 5)
    size = np.maximum(1 + gain_scatter * rng.standard_normal((n_chan, n_pol, n_ant)), 0.05)
    phase = phase_errors * rng.standard_normal((n_chan, n_pol, n_ant))
    return Array(
        names=names,
        positions=positions,
        beams=beams,
        times=times,
        delays=beam_delays(positions, beams, BORESIGHT, times),
        gains=(size * np.exp(1j * phase)).astype(np.complex64),
    )


def write_recipe(
    path: Path, array: Array, obsid: str, *, coarse_mhz: float = 1.0, f0_mhz: float = 24149.9
) -> None:
    """Write the recipe of an array, as instrument software would."""
    import h5py

    n_chan, n_pol, n_ant = array.gains.shape
    compound = np.empty(array.gains.shape, [("r", "<f4"), ("i", "<f4")])
    compound["r"], compound["i"] = array.gains.real, array.gains.imag
    content: dict[str, Any] = {
        "diminfo/nants": n_ant,
        "diminfo/npol": n_pol,
        "diminfo/nchan": n_chan,
        "diminfo/nbeams": len(array.beams),
        "diminfo/ntimes": len(array.times),
        "telinfo/antenna_positions": array.positions,
        "telinfo/antenna_position_frame": "ecef",
        "telinfo/antenna_names": list(array.names),
        "telinfo/antenna_numbers": np.arange(n_ant),
        "telinfo/antenna_diameters": np.full(n_ant, 25.0),
        "telinfo/latitude": LATITUDE_DEG,
        "telinfo/longitude": LONGITUDE_DEG,
        "telinfo/altitude": ALTITUDE_M,
        "telinfo/telescope_name": "simulated",
        "obsinfo/obsid": obsid,
        "obsinfo/freq_array": (f0_mhz + (np.arange(n_chan) + 0.5) * coarse_mhz) * 1e-3,
        "obsinfo/phase_center_ra": BORESIGHT[0],
        "obsinfo/phase_center_dec": BORESIGHT[1],
        "obsinfo/instrument_name": "simulated",
        "calinfo/refant": array.names[0],
        "calinfo/cal_all": compound,
        "beaminfo/ras": array.beams[:, 0],
        "beaminfo/decs": array.beams[:, 1],
        "beaminfo/src_names": [f"beam-{k}" for k in range(len(array.beams))],
        "delayinfo/delays": array.delays,
        "delayinfo/rates": np.zeros_like(array.delays),
        "delayinfo/time_array": array.times,
        "delayinfo/jds": array.times / SECONDS_PER_DAY + (MJD_OF_UNIX_0 + JD_OF_MJD_0),
        "delayinfo/dut1": 0.0,
    }
    with h5py.File(path, "w", libver="latest", track_order=True) as handle:
        for name, values in content.items():
            text = isinstance(values, str) or (isinstance(values, list) and bool(values))
            kind = h5py.string_dtype() if text else None
            handle.create_dataset(name, data=values, dtype=kind, track_times=False)
