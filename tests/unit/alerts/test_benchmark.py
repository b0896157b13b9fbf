"""Filters against the truth, and how odd objects are."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.alerts.benchmark import filter_scores, locus_ranks, object_scores, oddest, training_section
from ephemera.alerts.oddness import features, matrix, scores


def test_scores_of_filters_and_objects():
    truth = {
        f"k{n}": {
            "alert_key": f"k{n}",
            "source_id": s,
            "injected": s == "fake",
            "label": s,
            "mjd_utc": float(n),
        }
        for n, s in enumerate(["fake", "cep", "fake", "cep", "star", "fake"])
    }
    verdicts = [
        {"filter": "jump", "alert_key": "k2", "mjd_utc": 2.0, "tags": ["jump"]},
        {"filter": "jump", "alert_key": "k5", "mjd_utc": 5.0, "tags": ["jump"]},
        {"filter": "jump", "alert_key": "k3", "mjd_utc": 3.0, "tags": ["jump"]},
        {"filter": "quiet", "alert_key": "k0", "mjd_utc": 0.0, "tags": []},
    ]
    jump, quiet = filter_scores(truth, verdicts)
    assert (jump["completeness"], jump["purity"], jump["delay_d"]) == (1.0, 0.5, 2.0)
    assert (quiet["completeness"], quiet["purity"]) == (0.0, None)
    (fake,) = object_scores(truth, verdicts, {"k0": "L1", "k2": "L1", "k5": "L2"}, {"L1": 3, "L9": 1})
    assert (fake["alerts"], fake["loci"], fake["rank"], fake["of"]) == (3, 2, 3, 2)
    assert fake["passed_by"] == "jump (+2.00 d)"


def test_the_odd_curve_is_found():
    random = np.random.default_rng(0)
    rows = [
        {
            "kind": 0,
            "mag": 17 + random.normal(0, 0.02) + (3.0 if (k, n) == (7, 5) else 0),
            "band": "V",
            "mjd_utc": float(n),
            "locus_id": f"L{k:02d}",
        }
        for k in range(30)
        for n in range(10)
    ]
    ranks, _ = locus_ranks(rows, 1)
    assert ranks["L07"] == 1
    assert locus_ranks(rows, 1) == (ranks, locus_ranks(rows, 1)[1])


def test_oddness_without_scikit_learn(monkeypatch):
    from ephemera.alerts import oddness

    random = np.random.default_rng(3)
    mags = 17 + random.normal(0, 0.02, (9, 12))
    mags[8, 6] += 3.0
    rows = [features({"V": (np.arange(12.0), row)}, fluxes=False) for row in mags]
    monkeypatch.setattr(oddness, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    values, method = scores(rows, 0)
    assert method == "robust deviation"
    assert values.argmax() == 8


def test_missing_features_are_the_median():
    table, names = matrix([{"a": 1.0}, {"a": 3.0, "b": 5.0}, {}])
    assert names == ["a", "b"]
    assert table.tolist() == [[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]]


@pytest.mark.real_data
def test_training_set(shared_data):
    path = shared_data / "alerts" / "antares" / "training_set_for_LSST_DSFP.tar.gz"
    rows, _, curves, points = oddest(path, 0)
    assert (curves, points) == (100, 17744)
    assert len(rows) == 10
    assert oddest(path, 0)[0] == rows
    assert "100 light curves" in training_section(path, 0)
