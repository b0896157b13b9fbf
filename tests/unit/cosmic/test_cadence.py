"""ON/OFF cadences: one event a signal, levels, drift carried along, absent observations named."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from ephemera.cosmic.cadence import cadence_counts, event_rows, scans_of
from ephemera.cosmic.hit_columns import FILTERED_HITS
from ephemera.cosmic.metadata import step_hz_s
from ephemera.cosmic.on_off import find_events

FOFF, TSAMP = -2.79, 18.25
STEP = step_hz_s(FOFF * 1e-6, TSAMP, 16)
PREFIXES = [f"scan{k}" for k in range(6)]


def settings_of(**changed):
    base = {"prefixes": PREFIXES, "pattern": "ABACAD", "snr_min": 10.0, "off_share": 0.6}
    base |= {"drop_zero_drift": True, "tolerance": 10}
    return SimpleNamespace(**(base | changed))


def table(number, *signals, prefix=None):
    """Hits of observation `number`: (frequency in Hz at the first scan, steps, SNR), drifting along."""
    rows = []
    late = 300.0 * number
    for k, (hz, steps, snr) in enumerate(signals):
        row = dict.fromkeys(FILTERED_HITS.names)
        row |= {"hit_id": f"{prefix or PREFIXES[number]}:hit:{k}", "position": k, "offset": 0}
        row |= {"freq_mhz": 8419.0 + (hz + steps * STEP * late) * 1e-6, "drift_steps": steps}
        row |= {"drift_rate_hz_s": steps * STEP, "snr": snr, "n_time": 16, "foff_hz": FOFF, "tsamp_s": TSAMP}
        row |= {"tstart_mjd": 57650.0 + late / 86400, "kept": True, "source": "Voyager1", "has_data": False}
        rows.append(row)
    return FILTERED_HITS.arrow(rows)


def run(tables, **changed):
    settings = settings_of(**changed)
    scans = scans_of(tables, settings)
    events = find_events(scans, off_snr=settings.snr_min * settings.off_share, tolerance=settings.tolerance)
    return event_rows(events, scans, tables, settings, "p"), cadence_counts(scans, events, settings)


def cadence(*per_scan):
    return {PREFIXES[k]: table(k, *signals) for k, signals in enumerate(per_scan)}


SIGNAL = (500.0, 40, 30.0)


@pytest.mark.parametrize(
    ("on", "off", "level", "seen"),
    [
        ((1, 1, 1), (0, 0, 0), 3, "+-+-+-"),
        ((1, 0, 1), (0, 0, 0), 2, "+---+-"),
        ((1, 0, 0), (0, 0, 0), 2, "+-----"),
        ((1, 1, 1), (0, 1, 0), 1, "+-+++-"),
        ((0, 0, 1), (1, 0, 0), 1, "-+--+-"),
    ],
)
def test_levels(on, off, level, seen):
    there = [flag for pair in zip(on, off, strict=True) for flag in pair]
    rows, _ = run(cadence(*([SIGNAL] if flag else [] for flag in there)))
    assert len(rows) == 1
    assert (rows[0]["level"], rows[0]["seen"]) == (level, seen)
    assert (rows[0]["n_on"], rows[0]["n_off"]) == (sum(on), sum(off))


def test_one_signal_is_one_event_and_lists_its_hits():
    rows, _ = run(cadence([SIGNAL], [], [(503.0, 40, 50.0)], [], [(498.0, 40, 20.0)], []))
    assert len(rows) == 1
    assert rows[0]["snr"] == 50.0
    assert rows[0]["hits"].split() == ["scan0:hit:0", "scan2:hit:0", "scan4:hit:0"]


def test_frequencies_drift_between_scans():
    """Without the drift the signal would be far outside of 10 channels."""
    moved = abs(40 * STEP * 600)
    assert moved > 20 * abs(FOFF)
    rows, _ = run(cadence([SIGNAL], [], [SIGNAL], [], [SIGNAL], []))
    assert rows[0]["level"] == 3


def test_the_error_of_the_drift_widens_the_search():
    reach = 10 * abs(FOFF) + 0.5 * abs(STEP) * 300
    for off, level in ((reach - 1, 1), (reach + 1, 2)):
        rows, _ = run(cadence([SIGNAL], [(500.0 + off, 40, 30.0)], [], [], [], []))
        assert [row["level"] for row in rows] == [level]


def test_the_off_threshold_is_lower():
    for snr, level in ((6.1, 1), (5.9, 3)):
        rows, _ = run(cadence([SIGNAL], [(500.0, 40, snr)], [SIGNAL], [], [SIGNAL], []))
        assert rows[0]["level"] == level


def test_weak_and_undrifting_hits_start_no_event():
    rows, counts = run(cadence([(500.0, 40, 9.9), (9000.0, 0, 50.0), SIGNAL], [], [], [], [], []))
    assert len(rows) == 1
    assert (counts[0].n_in, counts[0].n_out) == (3, 1)
    rows, _ = run(cadence([(9000.0, 0, 50.0)], [], [], [], [], []), drop_zero_drift=False)
    assert len(rows) == 1


def test_an_absent_on_scan_leaves_no_level_3():
    tables = cadence([SIGNAL], [], [SIGNAL], [], [SIGNAL], [])
    del tables["scan4"]
    rows, _ = run(tables)
    assert rows[0]["level"] == 2
    assert rows[0]["seen"] == "+-+-?-"
    assert rows[0]["absent"] == "scan4"


def test_any_length_and_pattern():
    tables = cadence([SIGNAL], [SIGNAL], [])
    rows, _ = run(tables, prefixes=PREFIXES[:3], pattern="AAB")
    assert rows[0]["level"] == 3
    rows, _ = run(tables, prefixes=PREFIXES[:2], pattern="AB")
    assert rows[0]["level"] == 1


def test_two_signals_are_two_events_even_when_they_are_near():
    rows, counts = run(cadence([SIGNAL, (540.0, 40, 20.0)], [], [], [], [], []))
    assert len(rows) == 2
    assert [row["level"] for row in rows] == [2, 2]
    assert counts[2].removed == {"not in every ON": 2}


def test_an_off_hit_between_two_signals_speaks_against_both():
    rows, _ = run(cadence([SIGNAL, (545.0, 40, 20.0)], [(522.0, 40, 30.0)], [], [], [], []))
    assert [row["level"] for row in rows] == [1, 1]


def test_counts_add_up():
    rng = np.random.default_rng(3)
    tables = {}
    for k, prefix in enumerate(PREFIXES):
        signals = [
            (float(hz), int(steps), float(snr))
            for hz, steps, snr in zip(
                rng.uniform(0, 3000, 30), rng.integers(-50, 50, 30), rng.uniform(5, 40, 30), strict=True
            )
        ]
        tables[prefix] = table(k, *signals)
    _, counts = run(tables)
    for before, after in itertools.pairwise(counts):
        assert before.n_out == after.n_in
    assert counts[0].n_in == 90


@pytest.mark.parametrize("name", ["drift_rate_hz_s", "tsamp_s", "foff_hz", "freq_mhz", "tstart_mjd"])
@pytest.mark.parametrize("value", [None, math.inf])
def test_a_hit_whose_place_cannot_be_told_later_starts_no_event(name, value):
    tables = cadence([SIGNAL, (3000.0, 40, 40.0)], [SIGNAL], [], [], [], [])
    column = pa.array([tables["scan0"][name][0].as_py(), value], pa.float64())
    at = FILTERED_HITS.names.index(name)
    tables["scan0"] = tables["scan0"].set_column(at, tables["scan0"].schema.field(name), column)
    rows, _ = run(tables)
    assert [(row["hits"], row["level"], row["n_on"]) for row in rows] == [("scan0:hit:0 scan1:hit:0", 1, 1)]


def test_without_a_cadence_there_is_nothing():
    rows, _ = run({}, prefixes=[])
    assert rows == []
