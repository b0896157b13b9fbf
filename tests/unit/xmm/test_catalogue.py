"""The catalogue over many observations: order does not matter, sources join, candidates are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from builders.search_products import quiet_counts, write_observation
from ephemera.config.xmm_catalogue import Catalogue
from ephemera.sky.coverage import Footprint, area_deg2
from ephemera.tables import arrays, read, write
from ephemera.xmm.catalogue import Seen, combine, footprints, outcome_rows, region_text, write_coverage
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.events_store import read_subsets
from ephemera.xmm.recover import injected, match
from ephemera.xmm.sources import unique_sources
from xmm_cubes import FULL, grid_of


def detections(rows):
    """Detections with the columns given in `rows`, everything else missing."""
    numbers = {"best_sigma": 4.0, "poserr": 2.0, "sigma_peak": 4.0, "mjd_peak": 58000.0, "n_peaks": 1}
    full = [
        {"detid": f"d{k}", "obsid": "0000000001", "type": "peak"} | numbers | row
        for k, row in enumerate(rows)
    ]
    return DETECTIONS.arrow(full)


def test_detections_across_ra_zero_are_one_source():
    numbers, columns, _ = unique_sources(
        detections([{"ra": 359.999, "dec": 0.0}, {"ra": 0.003, "dec": 0.0}, {"ra": 10.0, "dec": 0.0}]),
        Catalogue(),
    )
    assert len(SOURCES.arrow(columns)) == 2
    assert numbers[0] == numbers[1] != numbers[2]
    joined = list(np.asarray(columns["n_detections"])).index(2)
    assert np.asarray(columns["ra"])[joined] == pytest.approx(0.001)


def test_the_best_detection_is_the_most_significant_and_times_are_extremes():
    rows = [
        {"ra": 1.0, "dec": 2.0, "sigma_peak": 3.5, "mjd_peak": 58001.0, "obsid": "0000000001"},
        {
            "ra": 1.0,
            "dec": 2.0,
            "sigma_peak": None,
            "sigma_eclipse": 9.0,
            "mjd_peak": 58009.0,
            "obsid": "0000000002",
        },
    ]
    _, columns, _ = unique_sources(detections(rows), Catalogue())
    table = SOURCES.arrow(columns).to_pylist()
    assert len(table) == 1
    assert table[0]["best_detid"] == "d1"
    assert table[0]["best_sigma"] == 9.0
    assert (table[0]["first_seen"], table[0]["last_seen"]) == (58001.0, 58009.0)
    assert table[0]["n_obs"] == table[0]["n_detections"] == 2


def test_no_detections_are_empty_tables():
    numbers, columns, _ = unique_sources(DETECTIONS.empty(), Catalogue())
    assert len(numbers) == 0
    assert SOURCES.arrow(columns).equals(SOURCES.empty())
    assert "circle" not in region_text(DETECTIONS.empty())


def test_combining_does_not_depend_on_the_order():
    parts = [detections([{"detid": name, "ra": 1.0, "dec": 1.0}]) for name in "cab"]
    assert combine(parts, ["detid"]).equals(combine(parts[::-1], ["detid"]))
    assert combine(parts, ["detid"])["detid"].to_pylist() == ["a", "b", "c"]


def test_every_column_of_the_catalogue_has_a_valid_ucd():
    from astropy.io.votable.ucd import parse_ucd

    for declaration in (CATALOGUE_DETECTIONS, SOURCES):
        for column in declaration:
            assert column.ucd, column.name
            parse_ucd(column.ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize("declaration", [CATALOGUE_DETECTIONS, SOURCES])
@pytest.mark.parametrize("suffix", ["fits", "vot", "parquet", "ecsv", "csv"])
def test_every_format_takes_the_catalogue_without_a_warning(tmp_path, declaration, suffix):
    path = tmp_path / f"table.{suffix}"
    write(declaration.empty(), declaration, path, {"project": "p", "recipe": "abc", "n_obs": 3})
    assert read(path, declaration).equals(declaration.empty())


def test_runs_end_up_in_the_outcomes():
    row = {"obsid": "1", "runid": "1_0_5", "grid": 2, "outcome": "ok", "detail": None}
    assert outcome_rows([], pa.Table.from_pylist([row]))[0]["run"] == "1_0_5_g2"


TRUTH = {
    "obsid": "0000000001",
    "bursts": [{"id": 0, "ra": 10.0, "dec": 5.0, "start": 100.0, "stop": 110.0, "asked": 50, "kept": 45}],
    "eclipses": [{"id": 0, "ra": 11.0, "dec": 5.0, "start": 0.0, "stop": 900.0, "removed": 80}],
}


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, True),
        ({"ra": 10.0 + 19 / 3600, "dec": 5.0}, True),
        ({"dec": 5.0 + 21 / 3600}, False),
        ({"t_start": 110.0, "t_stop": 150.0}, False),
        ({"type": "eclipse"}, False),
        ({"type": "both"}, True),
        ({"obsid": "0000000002"}, False),
    ],
)
def test_a_burst_is_found_by_place_time_kind_and_observation(change, found):
    row = {"ra": 10.0, "dec": 5.0, "t_start": 105.0, "t_stop": 155.0} | change
    burst, eclipse = injected(TRUTH)
    columns = arrays(detections([row]))
    assert match(burst, columns, 20.0)["found"] is found
    assert not match(eclipse, columns, 20.0)["found"]


def test_of_several_matches_the_one_most_significant_in_the_sense_of_the_truth_counts():
    sigmas = ((4.0, None), (6.0, None), (5.0, 9.0))
    rows = [
        {"ra": 10.0, "dec": 5.0, "t_start": 90.0, "t_stop": 120.0, "type": "both"}
        | {"sigma_peak": peak, "sigma_eclipse": eclipse, "best_sigma": max(peak, eclipse or 0.0)}
        for peak, eclipse in sigmas
    ]
    row = match(injected(TRUTH)[0], arrays(detections(rows)), 20.0)
    assert (row["detid"], row["n_runs"], row["sigma"]) == ("d1", 3, 6.0)


def test_flags_of_a_source_hold_when_all_known_detections_carry_them():
    flags = [
        {"filt_raw_pixel": True, "filt_5sig": False, "filt_hot_region": None, "filt_large": True},
        {"filt_raw_pixel": None, "filt_5sig": True, "filt_hot_region": None, "filt_large": False},
    ]
    rows = [{"ra": 1.0, "dec": 2.0} | flag for flag in flags]
    _, columns, _ = unique_sources(detections(rows), Catalogue())
    (source,) = SOURCES.arrow(columns).to_pylist()
    assert source["filt_raw_pixel"] is True
    assert source["filt_5sig"] is True
    assert source["filt_large"] is False
    assert source["filt_hot_region"] is None


def test_sources_keep_their_ids_when_new_ones_come_before_them():
    first = detections([{"detid": "b", "ra": 10.0, "dec": 0.0}])
    numbers, _, registry = unique_sources(first, Catalogue())
    both = detections([{"detid": "a", "ra": 1.0, "dec": 0.0}, {"detid": "b", "ra": 10.0, "dec": 0.0}])
    numbers, columns, _ = unique_sources(both, Catalogue(catalogue_version="2"), registry)
    assert numbers.tolist() == [2, 1]
    table = SOURCES.arrow(columns).to_pylist()
    assert [(row["srcid"], row["ra"], row["status"]) for row in table] == [
        (1, 10.0, "known"),
        (2, 1.0, "new"),
    ]


def test_a_coverage_map_for_each_frame_length_and_band_and_one_in_time(tmp_path):
    from astropy import units
    from mocpy import MOC, STMOC

    cones = [
        MOC.from_cone(ra * units.deg, 0.0 * units.deg, radius=0.2 * units.deg, max_depth=11)
        for ra in (10.0, 20.0)
    ]
    seen = [
        Seen(Footprint(moc, 1000.0, t_bin, 0.2, 12.0), 58000.0 + k, 58000.5 + k)
        for k, moc in enumerate(cones)
        for t_bin in (5.0, 50.0)
    ]
    write_coverage(seen, tmp_path / "maps", 11, space_time=True)
    names = sorted(path.name for path in (tmp_path / "maps").iterdir())
    assert names == ["space_time.fits", "t50_0.2_12.fits", "t5_0.2_12.fits"]
    both = MOC.from_fits(str(tmp_path / "maps" / "t5_0.2_12.fits"))
    assert area_deg2(both) == pytest.approx(sum(area_deg2(moc) for moc in cones))
    whole = STMOC.from_fits(str(tmp_path / "maps" / "space_time.fits"))
    assert whole.max_time.mjd > 58001
    write_coverage([], tmp_path / "none", 11, space_time=True)
    assert list((tmp_path / "none").iterdir()) == []


def test_footprints_are_dated_by_the_header_and_as_long_as_they_were_exposed(tmp_path):
    made = write_observation(tmp_path / "made", {FULL: quiet_counts()}, bccd=range(10)).input
    (subset,) = read_subsets(made.events)
    later = replace(subset, headers=(replace(subset.headers[0], timezero=86400.0),))
    (seen,) = footprints({made.events: [later]}, [made.expectation], grid_of(24).size_arcsec, 10)
    assert (seen.start, seen.stop) == pytest.approx((50815 + 1000 / 86400, 50815 + 1600 / 86400), abs=1e-9)
    assert (seen.footprint.exposure, seen.footprint.t_bin, seen.footprint.e_max) == (500.0, 10.0, 12.0)
    assert area_deg2(seen.footprint.moc) == pytest.approx((18 * 108 / 3600) ** 2, rel=0.1)
