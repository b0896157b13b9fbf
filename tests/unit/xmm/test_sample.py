"""Figures of a sample: drawn from tables alone, with nothing, one and many detections."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest

from ephemera.figures.style import figure
from ephemera.job import Job
from ephemera.tables import Column, write
from ephemera.xmm import sample, sample_catalogues, sample_numbers, sample_sky
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.crossmatch_columns import CHANCE, source_matches
from ephemera.xmm.sample_columns import HOT_REGIONS

ALWAYS = {"count_limits.png", "bayes_sigma.png"}


def detections(n: int) -> dict:
    """Columns of `n` detections at random, in the nine runs; the rest of the columns is missing."""
    rng = np.random.default_rng(1)
    columns = {name: [None] * n for name in CATALOGUE_DETECTIONS.names}
    bands = [(0.2, 2.0), (2.0, 12.0), (0.2, 12.0)]
    band = [bands[k % 3] for k in range(n)]
    return columns | {
        "detid": [f"d{k:05d}" for k in range(n)], "srcid": np.arange(n), "obsid": ["0000000001"] * n,
        "type": [("peak", "eclipse", "both")[k % 3] for k in range(n)],
        "t_bin": np.array([5.0, 50.0, 200.0])[np.arange(n) // 3 % 3],
        "e_min": [b[0] for b in band], "e_max": [b[1] for b in band],
        "ra": rng.uniform(0, 360, n), "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        "n_max": rng.integers(2, 100, n), "counts": rng.integers(2, 1000, n),
        "best_logB": rng.uniform(6, 60, n), "best_sigma": rng.uniform(3, 10, n),
        "detx_pn": rng.uniform(-18000, 18000, n), "dety_pn": rng.uniform(-18000, 18000, n),
    }  # fmt: skip


def job(folder, n: int, chance=(), matches=()) -> Job:
    """The job that draws a sample of `n` detections."""
    folder.mkdir()
    found = detections(n)
    columns = {name: [None] * n for name in SOURCES.names} | {
        "srcid": found["srcid"], "name": found["detid"], "best_detid": found["detid"], "ra": found["ra"],
        "dec": found["dec"], "best_sigma": found["best_sigma"],
    }  # fmt: skip
    hot = {
        "camera": ["PN"], "t_bin": [5.0], "x0": [1000.0], "y0": [2000.0], "width": [400.0],
        "height": [400.0], "n_detections": [9], "n_obsids": [5], "n_expected": [0.1], "probability": [1e-9],
    }  # fmt: skip
    tables = {
        "detections": (found, CATALOGUE_DETECTIONS), "sources": (columns, SOURCES),
        "hot_regions": (hot, HOT_REGIONS),
    }  # fmt: skip
    for name, (table, declaration) in tables.items():
        write(table, declaration, folder / f"{name}.parquet")
    inputs = {name: folder / f"{name}.parquet" for name in tables}
    return Job(
        input=SimpleNamespace(**inputs, chance=list(chance), matches=list(matches), otypes=[]),
        output=SimpleNamespace(figures=folder / "figures"), settings=None,
        wildcards=SimpleNamespace(project="test"), recipe={}, threads=1,
    )  # fmt: skip


def drawn(what: Job) -> dict[str, bytes]:
    sample.main(what)
    return {path.name: path.read_bytes() for path in what.output.figures.iterdir()}


def test_every_figure_has_a_caption_and_every_caption_its_figure(tmp_path):
    made = drawn(job(tmp_path / "many", 300))
    captions = json.loads(made.pop("captions.json"))
    assert [row["file"] for row in captions] == list(dict.fromkeys(row["file"] for row in captions))
    assert {row["file"] for row in captions} == set(made) == ALWAYS | {
        "sky_map.png", "sky_density.png", "detector_pn.png", "counts.png", "features.png", "thresholds.png"
    }  # fmt: skip
    assert all(png.startswith(b"\x89PNG") for png in made.values())
    from matplotlib import pyplot as plt

    assert plt.get_fignums() == []


def test_two_runs_give_the_same_bytes(tmp_path):
    assert drawn(job(tmp_path / "a", 30)) == drawn(job(tmp_path / "b", 30))


@pytest.mark.parametrize("n", [0, 1])
def test_a_sample_of_none_or_one_is_drawn(tmp_path, n):
    made = drawn(job(tmp_path / "few", n))
    assert set(made) >= ALWAYS
    assert ("sky_map.png" in made) == bool(n)


def test_matches_are_drawn_by_set(tmp_path):
    chance = {name: [1.0, 2.0] for name in CHANCE.names} | {
        "sep_low": [0.0, 5.0], "sep_high": [5.0, 10.0], "n_matches": [7, 3], "n_model": [None, None]
    }  # fmt: skip
    write(chance, CHANCE, tmp_path / "gaia.chance.parquet")
    columns = [Column(name, "f8", None, None, name) for name in ("Gmag", "BPmag", "RPmag", "Dist")]
    declaration = source_matches("gaia", columns)
    rows = {name: [None] * 3 for name in declaration.names} | {
        "srcid": [1, 2, 3], "gaia_gmag": [10.0, 12.0, None], "gaia_bpmag": [11.0, 13.0, 1.0],
        "gaia_rpmag": [9.0, 11.5, 1.0], "gaia_dist": [100.0, -1.0, 10.0],
    }  # fmt: skip
    write(rows, declaration, tmp_path / "gaia.sources.parquet")
    made = drawn(
        job(tmp_path / "gaia", 3, [tmp_path / "gaia.chance.parquet"], [tmp_path / "gaia.sources.parquet"])
    )
    assert {"separations_gaia.png", "hr_diagram.png"} <= set(made)
    stars = sample_catalogues.stars_of(
        pq.read_table(tmp_path / "gaia.sources.parquet").to_pylist(), sample.GAIA_COLUMNS
    )
    assert stars.tolist() == [[10.0, 11.0, 9.0, 100.0]]
    with figure(1, height=3.0) as page:
        sample_catalogues.hr_diagram(page, stars)
        (points,) = page.axes[0].lines
        assert points.get_xydata().tolist() == [[2.0, 5.0]]


def test_the_galactic_equator_passes_its_centre_and_stays_90_degrees_from_its_pole():
    ra, dec = sample_sky.galactic_equator()
    nearest = np.hypot((ra - 266.405) * np.cos(np.radians(dec)), dec + 28.936).min()
    assert nearest < 0.5
    a, d = np.radians(ra), np.radians(dec)
    pole_ra, pole_dec = np.radians([192.85948, 27.12825])
    across = np.sin(d) * np.sin(pole_dec) + np.cos(d) * np.cos(pole_dec) * np.cos(a - pole_ra)
    assert np.abs(across).max() < 1e-9


def test_right_ascension_grows_to_the_left_with_12_h_in_the_middle():
    assert sample_sky.longitude([180.0, 90.0, 270.0]).tolist() == pytest.approx([0, np.pi / 2, -np.pi / 2])


@pytest.mark.parametrize("logarithmic", [True, False])
@pytest.mark.parametrize("values", [[], [np.nan], [3.0], [0.5, 1.0, 1e6], [0.0, 0.0]])
def test_bins_hold_all_values_that_can_be_shown(values, logarithmic):
    values = np.array(values, float)
    edges = sample_numbers.bin_edges(values, logarithmic=logarithmic)
    assert (np.diff(edges) > 0).all()
    good = values[np.isfinite(values) & ((values > 0) if logarithmic else True)]
    assert np.histogram(good, edges)[0].sum() == len(good)


def test_types_are_bars_of_each_population():
    rows = [
        {"population": p, "level": "class", "value": v, "n": n, "percent": float(n)}
        for p, counts in (("simbad", (60, 40)), ("ours", (25, 75)))
        for v, n in zip(("Star", "no match"), counts, strict=True)
    ]
    with figure(2, height=3.0) as page:
        sample_catalogues.types(page, rows, "class")
        axes = page.axes[0]
        widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
        assert widths == [[40.0, 60.0], [75.0, 25.0]]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["no match", "Star"]
