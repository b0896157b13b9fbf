"""Pages of loci and their index."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from builders.alerts import alert, alerts, limit
from builders.html import checked
from ephemera.alerts.associate import associate
from ephemera.alerts.loci import LOCI
from ephemera.alerts.pages import chosen, index_page, locus_page, offsets, write_pages
from ephemera.pages.drawing import nice_ticks
from ephemera.sky.sphere import separation_arcsec

ARCSEC = 1 / 3600


def test_a_page_draws_limits_and_negative_differences():
    rows = [
        alert(1, 10.0, 0.0, 59000.1),
        alert(2, 10.0, ARCSEC, 59001.1, sign=-1),
        limit(3, 58999.1, 20.5, carrier_key="ztf:1"),
        alert(4, 10.0, 0.0, 58998.0, kind=2, alert_key="f", carrier_key="ztf:1"),
    ]
    _, loci = associate(alerts(*rows), None)
    conflict = {
        "what": "two_ids_in_locus",
        "survey": "ztf",
        "object_id": "<script>alert(1)</script>",
        "other_object_id": "B",
        "locus_id": "X",
        "other_locus_id": "X",
        "sep_arcsec": 0.3,
        "overlap_d": -5.0,
    }
    text = locus_page(loci.to_pylist()[0], alerts(*rows).to_pylist(), [conflict], 2.0, 59001)
    checked(text)
    assert "open: negative difference" in text
    assert "arrow: 5 sigma limit" in text
    assert "small: forced photometry" in text
    assert "two objects in this locus" in text
    assert "<script>alert(1)" not in text
    assert len(re.findall(r"<svg", text)) >= 3


@pytest.mark.parametrize(
    "rows", [[limit(1, 59000.1, 20.5)], [alert(1, 10.0, 0.0, 59000.1, mag=None, mag_err=None)]]
)
def test_pages_of_loci_with_nothing_to_draw(rows):
    blank = {
        **{f.name: None for f in LOCI},
        "locus_id": "EPHX",
        "ra": 10.0,
        "dec": 0.0,
        "n_det": 0,
        "n_limit": 1,
        "n_forced": 0,
        "founder_key": "k",
    }
    locus = pa.Table.from_pylist([blank], LOCI).to_pylist()[0]
    checked(locus_page(locus, alerts(*rows).to_pylist(), [], 2.0, 59001))
    checked(index_page([locus], {"EPHX"}, set(), 59001))


def test_tagged_loci_come_first_and_pages_are_limited(night, tmp_path):
    loci = night.loci.to_pylist()
    assert len(chosen(night.loci, 1)) == 1
    number = write_pages(
        night.loci,
        night.history,
        pa.table({"locus_id": [], "other_locus_id": []}),
        tmp_path / "p",
        59001,
        1,
        2.0,
    )
    assert number == 1
    assert len(list((tmp_path / "p").glob("EPH*.html"))) == 1
    index = (tmp_path / "p" / "index.html").read_text()
    checked(index)
    assert all(row["locus_id"] in index for row in loci)


def test_offsets_on_the_sky():
    for ra, dec in ((10.0, 0.0), (359.9999, 80.0), (0.0, 89.999)):
        east, north = offsets(ra, dec, ra + 0.0003, min(dec + 0.0002, 90))
        apart = separation_arcsec(ra, dec, ra + 0.0003, min(dec + 0.0002, 90))
        assert np.hypot(east, north) == pytest.approx(float(apart), rel=1e-5)
        assert east > 0


def test_ticks_are_round():
    assert nice_ticks(0.0, 10.0) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert nice_ticks(14.21, 14.9) == pytest.approx([14.4, 14.6, 14.8])
    assert nice_ticks(5.0, 5.0) == [5.0]
