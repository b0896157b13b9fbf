"""Which hit a stamp was cut from."""

import numpy as np
import pytest

from ephemera.cosmic.matching import match_all
from ephemera.cosmic.metadata import step_hz_s

FOFF, TSAMP, FCH1 = 1.9073486328125, 0.524288, 24150.2
MJD = 60295.5
STEP = step_hz_s(FOFF * 1e-6, TSAMP, 16)


def stamp(**changed):
    return {
        "fch1_mhz": FCH1,
        "foff_hz": FOFF,
        "n_chan": 100,
        "n_time": 16,
        "tsamp_s": TSAMP,
        "tstart_mjd": MJD,
        "sig_freq_mhz": FCH1 + 50 * FOFF * 1e-6,
        "sig_coarse_channel": 3,
        "sig_drift_steps": 4,
        "sig_drift_rate_hz_s": 4 * STEP,
        "sig_snr": 20.0,
        "sig_beam_kind": "coherent",
        **changed,
    }


def hits(*rows):
    """Hits that equal the stamp's signal but for what is changed; `at` moves by channels."""
    found = []
    for row in rows:
        known = {
            "freq_mhz": FCH1 + (50 + row.pop("at", 0)) * FOFF * 1e-6,
            "coarse_channel": 3.0,
            "drift_steps": 4.0,
            "drift_rate_hz_s": 4 * STEP,
            "snr": 20.0,
            "beam_kind": "coherent",
            "tstart_mjd": MJD,
        }
        found.append(known | row)
    return {name: np.array([row[name] for row in found]) for name in found[0]}


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({}, "exact"),
        ({"at": 0.5}, "exact"),
        ({"snr": 20.01}, "exact"),
        ({"at": 0.6}, "covers"),
        ({"snr": 20.1}, "covers"),
        ({"drift_steps": 5.0, "drift_rate_hz_s": 5 * STEP}, "covers"),
        ({"beam_kind": "incoherent"}, "covers"),
        ({"at": 49.4, "snr": 9.0}, "covers"),
        ({"at": 50.0, "snr": 9.0}, None),
        ({"at": -51.0, "snr": 9.0}, None),
        ({"coarse_channel": 4.0}, None),
        ({"drift_steps": 6.0, "drift_rate_hz_s": 6 * STEP}, None),
        ({"snr": 9.0, "tstart_mjd": MJD + 9 / 86400}, None),
        ({"snr": 9.0, "tstart_mjd": MJD + 8 / 86400}, "covers"),
    ],
)
def test_kinds_of_match(changed, kind):
    (found,) = match_all([stamp()], hits(changed))
    assert found.kind == kind
    assert found.hit == (None if kind is None else 0)
    assert found.n_candidates == (kind is not None)


def test_an_exact_match_beats_nearer_ones_that_only_cover():
    (found,) = match_all([stamp()], hits({"snr": 50.0}, {"at": 0.4}))
    assert (found.hit, found.kind) == (1, "exact")


def test_the_nearest_then_the_strongest():
    rows = ({"at": 9, "snr": 90.0}, {"at": 2, "snr": 9.0}, {"at": -2, "snr": 11.0})
    (found,) = match_all([stamp()], hits(*rows))
    assert (found.hit, found.n_candidates) == (2, 3)


def test_channels_that_count_downwards():
    down = stamp(foff_hz=-FOFF, sig_freq_mhz=FCH1 - 50 * FOFF * 1e-6)
    (found,) = match_all([down], hits({"at": -100}))
    assert found.kind == "exact"


def test_a_stamp_without_a_signal_has_no_hit():
    (found,) = match_all([stamp(sig_freq_mhz=None)], hits({}))
    assert found.hit is None


def test_an_unknown_coarse_channel_excludes_nothing():
    (found,) = match_all([stamp(sig_coarse_channel=None)], hits({"coarse_channel": 7.0}))
    assert found.kind == "exact"
