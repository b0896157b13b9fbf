"""Catalogues that loci are matched with."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alerts import alert, alerts
from ephemera.alerts.associate import associate
from ephemera.alerts.crossmatch import match_all, read_catalogue
from ephemera.tables.foreign import CatalogueError

ARCSEC = 1 / 3600


def settings(path, **given):
    names = ("pm_ra", "pm_dec", "error_major", "error_minor", "error_angle")
    return {
        "name": "stars",
        "file": str(path),
        "radius_arcsec": 3.0,
        "columns": ["class"],
        "ra": "ra",
        "dec": "dec",
        "epoch": 2000.0,
        **dict.fromkeys(names),
        **given,
    }


def one_locus(ra=10.0, dec=0.0):
    return associate(alerts(alert(1, ra, dec, 59000.1)), None)[1]


def matches(table, **given):
    return match_all(one_locus(), [read_catalogue(settings(table, **given), 59000.5)])["matches"][0].as_py()


def test_all_rows_within_the_radius_and_the_nearest_first(tmp_path):
    columns = {
        "ra": [10.0, 10.0, 10.0, np.nan],
        "dec": [2 * ARCSEC, 0.5 * ARCSEC, 5 * ARCSEC, 0.0],
        "class": [6, 3, 6, 6],
    }
    for suffix in (".parquet", ".csv", ".fits", ".vot"):
        path = tmp_path / f"c{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.table(columns), path)
        else:
            from astropy.table import Table

            Table(columns).write(
                path, format={".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}[suffix]
            )
        found = matches(path)
        assert [(m["row"], m["nearest"]) for m in found] == [(1, True), (0, False)]
        assert found[0]["sep_arcsec"] == pytest.approx(0.5)
        assert json.loads(found[0]["columns"])["class"] == 3


def test_proper_motion_moves_the_catalogue(tmp_path):
    years = (59000.5 - 51544.5) / 365.25
    columns = {
        "ra": [10.0],
        "dec": [60.0 - 1.0 * ARCSEC * years],
        "pmra": [0.0],
        "pmdec": [1000.0],
        "class": [1],
    }
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    catalogue = read_catalogue(settings(tmp_path / "c.parquet", pm_ra="pmra", pm_dec="pmdec"), 59000.5)
    found = match_all(one_locus(10.0, 60.0), [catalogue])["matches"][0].as_py()
    assert found[0]["sep_arcsec"] == pytest.approx(0.0, abs=1e-3)


def test_ellipses(tmp_path):
    columns = {
        "ra": [10.0, 10.0 + 1.5 * ARCSEC],
        "dec": [1.5 * ARCSEC, 0.0],
        "class": [1, 2],
        "a": [1.0, 1.0],
        "b": [0.5, 0.5],
        "t": [0.0, 0.0],
    }
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    found = matches(tmp_path / "c.parquet", error_major="a", error_minor="b", error_angle="t")
    assert [m["row"] for m in found] == [0]  # 1.5 along the major axis is within, 3 minor axes are not


def test_a_catalogue_that_lacks_a_column_is_named(tmp_path):
    (tmp_path / "c.csv").write_text("ra,declination\n1.0,2.0\n")
    with pytest.raises(CatalogueError, match=r"c\.csv: there is no column dec, class; the file has ra"):
        read_catalogue(settings(tmp_path / "c.csv"), 59000.0)
