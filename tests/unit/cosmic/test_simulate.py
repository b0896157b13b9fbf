"""Simulated observations: the same bytes each time, signals as strong as asked for."""

import numpy as np
import pytest

from builders.cosmic_files import array_of
from ephemera.config.cosmic import Simulate
from ephemera.cosmic.completeness import completeness, fitting
from ephemera.cosmic.hits import read_hits
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.simulate import observation
from ephemera.cosmic.simulate_signals import Band, Injection, Kind, inject, kept_power, noise
from ephemera.cosmic.stamps import open_stamps

SMALL = {
    "observations": 1,
    "files": 2,
    "channels": 96,
    "antennas": 6,
    "counts": {kind.value: 1 for kind in Kind},
    "snr": [50.0],
    "lone_hits": 20,
}


def files_of(folder, seed=1, **changed):
    folder.mkdir()
    truth = list(observation(Simulate(**{**SMALL, **changed}), "obs", folder, seed))
    return truth, {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first, second, other = (files_of(tmp_path / name, seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert first == second
    assert first[1]["obs.seticore.hits"] != other[1]["obs.seticore.hits"]
    assert set(first[1]) == {
        "obs.bfr5",
        "obs.seticore.hits",
        "obs.seticore.0000.stamps",
        "obs.seticore.0001.stamps",
    }


@pytest.mark.parametrize(
    "changed", [{}, {"polarisations": 1, "beams": 0}, {"foff_hz": -2.0, "time_steps": 6}]
)
def test_every_stamp_and_hit_is_good(tmp_path, changed):
    truth, content = files_of(tmp_path / "a", **changed)
    recipe = Recipe(tmp_path / "a/obs.bfr5")
    found = [
        (f"{part:04d}", stamp)
        for part in range(2)
        for stamp in open_stamps(tmp_path / f"a/obs.seticore.{part:04d}.stamps", recipe)
    ]
    assert [(part, stamp.position) for part, stamp in found] == [(t["part"], t["position"]) for t in truth]
    for (_, stamp), entry in zip(found, truth, strict=True):
        assert set(map(str, stamp.flags)) <= ({"path_out"} if entry["kind"] == "leaving" else set())
        assert stamp.path()[0] == entry["column"]
        assert stamp.best_beam is None or stamp.best_beam == entry["beam"]
    hits = read_hits(tmp_path / "a/obs.seticore.hits")
    assert len(hits) == len(truth) + 20
    assert len(content) == 4


def test_a_signal_has_the_power_asked_for():
    """s^2 = Zc/(A sqrt(T P)), on the path, whatever the drift; what falls between channels is made up for."""
    array = array_of(n_ant=25)
    for steps in (0, 7, 24):
        voltages = np.zeros((16, 200, 2, 25), np.complex64)
        band = Band(np.full(200, 24.15), 0, 0)
        inject(voltages, Injection(Kind.SKY, 100.0, 80, steps), array, band, np.random.default_rng(1))
        total = (np.abs(voltages) ** 2).sum()
        assert total == pytest.approx(100 / (25 * np.sqrt(32)) * 16 * 2 * 25, rel=1e-4)


def test_the_share_of_a_line_in_its_channel():
    assert kept_power(0, 16).tolist() == [1.0] * 16
    share = kept_power(8, 16)
    assert 0.5 < share.mean() < 1
    assert share.min() >= 0


def test_noise_has_unit_variance():
    voltages = noise(np.random.default_rng(1), (16, 100, 2, 5))
    assert np.mean(np.abs(voltages) ** 2) == pytest.approx(1, abs=0.01)
    assert voltages.dtype == np.complex64


def test_completeness_counts_verdicts():
    truth = {
        "prefix": "o",
        "stamps": [
            {"part": "0000", "position": k, "kind": kind, "snr": snr}
            for k, (kind, snr) in enumerate([("sky", 20.0)] * 4 + [("noise", 0.0)] * 5)
        ],
    }
    verdicts = ["sky_like", "sky_like_zero_drift", "ambiguous"] + ["not_confirmed"] * 4 + ["sky_like"]
    by_place = {("o", "0000", k): v for k, v in enumerate(["sky_like", *verdicts])}
    noise, sky = completeness([truth], by_place)
    assert (noise["kind"], noise["n_sky"], sky["kind"], sky["n_sky"]) == ("noise", 1, "sky", 3)
    assert (noise["completeness"], sky["completeness"]) == (pytest.approx(0.8), pytest.approx(0.75))
    assert (noise["false_positive"], sky["false_positive"]) == (pytest.approx(200), None)


def test_a_missing_stamp_is_not_right():
    truth = {"prefix": "o", "stamps": [{"part": "0000", "position": 0, "kind": "sky", "snr": 9.0}]}
    assert [row["verdicts"] for row in completeness([truth], {})] == ["missing 1"]


def test_every_kind_has_verdicts_or_none():
    assert fitting(Kind.NOISE)
    assert fitting(Kind.BROAD_BAND) == ()
