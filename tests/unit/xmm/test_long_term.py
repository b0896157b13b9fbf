"""Rates between observations: apertures, cameras in common, ratios, and the real source that faded."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.config.load import load
from ephemera.config.xmm_catalogue import LongTerm
from ephemera.job import Job, namespace
from ephemera.sky.tan import Plane
from ephemera.tables import read, write
from ephemera.xmm import download, events, long_term, rates
from ephemera.xmm.catalogue_columns import SOURCES
from ephemera.xmm.long_term import Targets, aperture, change, compared, measured, rate_of, sources_of, targets
from ephemera.xmm.long_term_columns import LONG_TERM, LONG_TERM_RATES, LONG_TERM_SOURCES, STEADY_SOURCES
from ephemera.xmm.observation import Band, Camera, Telescope
from ephemera.xmm.rate_images import SIDE, RateImage, exposed_pixels, find_bumps, rate_images, vignetting
from xmm_cubes import events_of, subset_of

RADII = (5.0, 15.0, 30.0)
NONE = np.empty((0, 2))
NO_STEADY = STEADY_SOURCES.empty()


def field(background=2.0, source=0, at=(324, 324), seed=0):
    """Poisson background and a point source of `source` counts (King-like, within 5 pixels)."""
    random = np.random.default_rng(seed)
    counts = random.poisson(background, (SIDE, SIDE))
    x, y = np.rint(random.normal(at, 1.2, (source, 2))).astype(int).T
    np.add.at(counts, (y, x), 1)
    return counts.astype(np.uint16)


def test_vignetting_is_one_on_axis_and_half_at_fourteen_arcmin():
    assert vignetting(0.0) == 1
    assert vignetting([5.0, 14.0]) == pytest.approx([0.892, 0.457], abs=0.002)
    assert np.all(np.diff(vignetting(np.arange(20.0))) < 0)


def test_the_background_of_the_ring_is_taken_off_and_neighbours_do_not_count():
    flat = np.full((SIDE, SIDE), 3, np.uint16)
    everywhere = np.ones((SIDE, SIDE), bool)
    found = aperture(flat, everywhere, (324.0, 324.0), NONE, RADII)
    rate = rate_of(found, 1000.0, 0.5)
    assert rate["rate"] == pytest.approx(0, abs=1e-12)
    assert rate["counts"] == 3 * found.circle == pytest.approx(rate["background"])
    bright = flat.copy()
    bright[324, 344] = 5000
    raised = rate_of(aperture(bright, everywhere, (324.0, 324.0), NONE, RADII), 1000.0, 0.5)
    assert raised["rate"] < 0
    cleaned = aperture(bright, everywhere, (324.0, 324.0), np.array([[344.0, 324.0]]), RADII)
    assert rate_of(cleaned, 1000.0, 0.5)["rate"] == pytest.approx(0, abs=1e-12)
    assert cleaned.ring < found.ring


def test_what_is_hardly_covered_has_no_rate():
    counts, lit = np.ones((SIDE, SIDE), np.uint16), np.zeros((SIDE, SIDE), bool)
    lit[:, 325:] = True
    half = aperture(counts, lit, (324.0, 324.0), NONE, RADII)
    assert 0.4 < half.exposed / half.circle < 0.5
    assert rate_of(half, 1000.0, 1.0) is None
    assert rate_of(aperture(counts, lit, (330.0, 324.0), NONE, RADII), 1000.0, 1.0)["covered"] == 1
    assert rate_of(aperture(counts, lit | True, (324.0, 324.0), NONE, RADII), 0.0, 1.0) is None
    corner = aperture(counts, lit | True, (0.0, 0.0), NONE, RADII)
    assert corner.exposed / corner.circle < 0.5


def test_bumps_are_found_where_they_are_and_noise_makes_none():
    counts = field(background=0.3, source=150, at=(200.3, 411.8))
    bumps = find_bumps(counts, exposed_pixels(counts), 5.0, 10)
    assert len(bumps.x) >= 1
    assert (bumps.x[0] - 0.5) / 80 - 0.5 == pytest.approx(200.3, abs=0.3)
    assert (bumps.y[0] - 0.5) / 80 - 0.5 == pytest.approx(411.8, abs=0.3)
    noise = field(background=0.3, seed=3)
    assert len(find_bumps(noise, exposed_pixels(noise), 7.0, 10).x) == 0
    assert len(find_bumps(np.zeros((SIDE, SIDE), np.uint16), np.zeros((SIDE, SIDE), bool), 5.0, 10).x) == 0


def row(obsid, camera, rate, error=0.1, **more):
    weights = {"exposure": 1000.0, "vignetting": 1.0, "covered": 1.0, "mjd": float(obsid)}
    return {"ltid": 1, "obsid": obsid, "camera": camera, "rate": rate, "rate_err": error} | weights | more


def test_only_cameras_that_all_observations_share_are_compared():
    rows = [row("1", "PN", 9.0), row("1", "M1", 2.0), row("2", "M1", 2.1), row("2", "M2", 5.0)]
    rates_, cameras = compared(rows)
    assert cameras == ["M1"]
    assert [one["rate"] for one in rates_] == [2.0, 2.1]
    apart, cameras = compared([row("1", "PN", 9.0), row("2", "M1", 2.0), row("3", "M1", 2.0)])
    assert cameras == ["M1"]
    assert [one["obsid"] for one in apart] == ["2", "3"]


def test_cameras_are_averaged_by_their_exposure():
    (one,), _ = compared([row("1", "M1", 1.0), row("1", "M2", 4.0, exposure=2000.0)])
    assert one["rate"] == pytest.approx(3.0)
    assert one["rate_err"] == pytest.approx(np.hypot(0.1, 0.2) / 3)


def test_ratio_significance_and_chi_square_of_two_rates():
    found = change([row("1", "M1", 5.0, 0.3), row("2", "M1", 1.0, 0.1)], 5.0)
    assert found["ratio"] == 5
    assert found["ratio_err"] == pytest.approx(5 * np.hypot(0.06, 0.1))
    assert found["significance"] == pytest.approx(4 / np.hypot(0.3, 0.1))
    assert found["chi2"] == pytest.approx(found["significance"] ** 2)
    assert (found["obsid_max"], found["obsid_min"], found["variable"]) == ("1", "2", True)
    gone = change([row("1", "M1", 5.0, 0.3), row("2", "M1", 0.05, 0.1)], 5.0)
    assert gone.get("ratio") is None
    assert gone["ratio_low"] == pytest.approx((5 - 0.9) / (0.05 + 0.3))
    assert gone["n_seen"] == 1


@given(st.lists(st.tuples(st.floats(-1, 10), st.floats(0.01, 2)), min_size=2, max_size=6))
def test_the_order_of_observations_does_not_matter(values):
    rows = [row(str(k + 1), "M1", rate, error) for k, (rate, error) in enumerate(values)]
    one, other = change(rows, 5.0), change(rows[::-1], 5.0)
    assert one["significance"] == pytest.approx(other["significance"])
    assert one["chi2"] == pytest.approx(other["chi2"])
    assert 0 <= one["pval"] <= 1


def steady(rows):
    return STEADY_SOURCES.arrow(rows)


def catalogue(rows):
    return SOURCES.arrow(rows)


def test_sources_of_the_catalogue_and_steady_ones_are_joined_also_over_ra_zero():
    found = targets(
        catalogue([{"srcid": 7, "ra": 0.0001, "dec": 0.0}]),
        steady([{"ra": 359.9999, "dec": 0.0, "sigma": 9.0}, *[{"ra": 5.0, "dec": 1.0}] * 2]),
        10.0,
    )
    assert found.srcid.tolist() == [7, 0]
    assert found.ra.tolist() == [0.0001, 5.0]
    assert len(targets(SOURCES.empty(), NO_STEADY, 10.0).ra) == 0


def image(source, obsid, camera="M1", exposure=1000.0, seed=0, mission="xmm"):
    counts = field(background=0.3, source=source, seed=seed)
    return RateImage(0, camera, mission, counts, exposure, float(obsid), 10.0, 5.0)


def test_cameras_are_called_by_their_instrument_and_only_xmm_is_corrected_for_vignetting():
    """Two missions have a first camera each; their rates are not those of one camera."""
    telescope = Telescope("asca", "SIS0", 20.0, 20.0, 0.0, 5.0, 60.0)
    subset = subset_of(events_of([1.0, 2.0], 25921, 25921, 1000, Camera.C1), 0.0, 1000.0, [Camera.C1])
    asca = replace(subset, headers=(replace(subset.headers[0], telescope=telescope, timezero=86400.0),))
    (made,) = rate_images(asca, np.empty((0, 2)), Band(200, 12000))
    assert (made.camera, made.mission, made.counts.sum()) == ("SIS0", "asca", 2)
    assert made.mjd == pytest.approx(50814.0 + 1 + 500 / 86400)
    assert made.vignetting(14.0) == 1
    assert image(0, "1").vignetting(14.0) == pytest.approx(0.457, abs=0.002)


def test_a_source_that_fades_is_one_source_seen_twice(tmp_path):
    from ephemera.cubes import create
    from ephemera.xmm.rate_images import write_images

    paths = []
    for obsid, source in (("1", 800), ("2", 200)):
        paths.append(tmp_path / f"{obsid}.h5")
        with create(paths[-1]) as handle:
            handle.attrs["obsid"] = obsid
            write_images(handle, [image(source, obsid, seed=int(obsid))])
    ra, dec = Plane(10.0, 5.0).to_sky(np.array([324.5 * 80 + 0.5]), np.array([324.5 * 80 + 0.5]))
    at = Targets(ra, dec, np.array([3]))
    rows = measured(paths, at, LongTerm())
    assert len(LONG_TERM.arrow(rows)) == 2
    sources, _ = sources_of(rows, at, "EPH", 5.0)
    assert sources[0]["ratio"] == pytest.approx(4, rel=0.25)
    assert (sources[0]["srcid"], sources[0]["n_obs"], sources[0]["n_seen"]) == (3, 2, 2)
    assert sources_of(rows[:1], at, "EPH", 5.0) == ([], [])


def test_the_real_source_that_faded_by_a_factor_between_four_and_five(shared_data, tmp_path):
    """Two observations of Abell 907 with MOS: the point source at 149.6729 -11.0737 (README of the data)."""
    options = load({}).xmm
    folder = shared_data / "xray"

    def step(module, settings, inputs, outputs):
        job = Job(
            input=SimpleNamespace(**inputs),
            output=SimpleNamespace(**outputs),
            settings=namespace(settings),
            wildcards=SimpleNamespace(project="p"),
            recipe={"key": "test"},
            threads=1,
        )
        module.main(job)

    observations = ("0201901401", "0404910601")
    for obsid in observations:
        files = ";".join(str(folder / f"xmm_{obsid}_mos{k}_clean_evts.fits") for k in (1, 2))
        here = {n: tmp_path / f"{obsid}.{n}" for n in ("source", "manifest", "events", "images")}
        here["source"].write_text(json.dumps({"unit": obsid, "kind": "files", "location": files}))
        manifest = {"manifest": here["manifest"]}
        step(download, options.download.settings(), {"source": here["source"]}, manifest)
        bins = {"time_bins_s": options.cube.time_bins_s}
        chosen = options.events.settings() | bins
        step(events, chosen, manifest, {"events": here["events"]})
        parts = {"sources": tmp_path / f"{obsid}.parquet", "images": here["images"]}
        step(rates, options.rates.settings(), {"events": here["events"]}, parts)
    write(SOURCES.empty(), SOURCES, tmp_path / "catalogue.parquet")
    step(
        long_term,
        options.long_term.settings() | {"name_prefix": "EPH"},
        {
            "sources": tmp_path / "catalogue.parquet",
            "steady": [tmp_path / f"{obsid}.parquet" for obsid in observations],
            "images": [tmp_path / f"{obsid}.images" for obsid in observations],
        },
        {
            "rates": tmp_path / "r.parquet",
            "compared": tmp_path / "c.parquet",
            "sources": tmp_path / "s.parquet",
            "sources_fits": tmp_path / "s.fits",
        },
    )
    table = read(tmp_path / "s.parquet", LONG_TERM_SOURCES)
    assert read(tmp_path / "s.fits", LONG_TERM_SOURCES).equals(table)
    near = [
        one
        for one in table.to_pylist()
        if np.hypot((one["ra"] - 149.6729) * np.cos(np.radians(11.07)), one["dec"] + 11.0737) * 3600 < 15
    ]
    assert len(near) == 1
    (source,) = near
    assert (source["n_obs"], source["n_seen"], source["cameras"]) == (2, 2, "M1 M2")
    assert 4 < source["ratio"] < 5
    assert source["significance"] > 20
    assert (source["obsid_max"], source["obsid_min"]) == observations
    assert [one["ltid"] for one in table.to_pylist() if one["variable"]] == [source["ltid"]]
    compared_ = read(tmp_path / "c.parquet", LONG_TERM_RATES).to_pylist()
    assert [one["obsid"] for one in compared_ if one["ltid"] == source["ltid"]] == list(observations)
