"""The catalogue over many observations: order does not matter, sources join, candidates are named."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from ephemera.config.xmm_catalogue import Catalogue
from ephemera.tables import read, write
from ephemera.xmm.catalogue import combine, outcome_rows, region_text
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.recover import injected, match
from ephemera.xmm.sources import unique_sources


def detections(rows):
    """Detections with the columns given in `rows`, everything else missing."""
    numbers = {"best_sigma": 4.0, "poserr": 2.0, "sigma_peak": 4.0, "mjd_peak": 58000.0, "n_peaks": 1}
    full = [
        {"detid": f"d{k}", "obsid": "0000000001", "type": "peak"} | numbers | row
        for k, row in enumerate(rows)
    ]
    return DETECTIONS.arrow({name: [row.get(name) for row in full] for name in DETECTIONS.names})


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
    table = detections([row])
    assert match(burst, table, 20.0)["found"] is found
    assert not match(eclipse, table, 20.0)["found"]


def test_of_several_matches_the_most_significant_counts():
    rows = [
        {"ra": 10.0, "dec": 5.0, "t_start": 90.0, "t_stop": 120.0, "best_sigma": s} for s in (4.0, 8.0, 6.0)
    ]
    row = match(injected(TRUTH)[0], detections(rows), 20.0)
    assert (row["detid"], row["n_runs"], row["sigma"]) == ("d1", 3, 8.0)
