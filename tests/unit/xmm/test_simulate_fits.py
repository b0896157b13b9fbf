"""The FITS writer: a library reads back what was written, and nothing depends on the day."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from astropy.io import fits

from ephemera.xmm.simulate_fits import ColumnData, Hdu, compress, encode, write_hdus


@pytest.fixture
def hdus() -> list[Hdu]:
    rng = np.random.default_rng(0)
    columns = (
        ColumnData("TIME", rng.random(7) * 1e8, "s"),
        ColumnData("X", rng.integers(-99999999, 51840, 7).astype("i4"), "0.05 arcsec", {"TNULL": -99999999}),
        ColumnData("PI", rng.integers(0, 12000, 7).astype("i2"), "eV"),
        ColumnData("CCDNR", rng.integers(1, 12, 7).astype("u1")),
        ColumnData("RATE", rng.random(7).astype("f4")),
        ColumnData("NAME", np.array([b"abc"] * 7, dtype="S6")),
    )
    cards = (("REVOLUT", "0258", "text"), ("OK", True, ""), ("OBSERVER", "O'Neill", ""), ("RA", 1.5, ""))
    return [Hdu("PRIMARY", cards), Hdu("EVENTS", (("REFXLMAX", -13696, "overflow"),), columns)]


def test_a_library_reads_what_was_written(hdus):
    with fits.open(io.BytesIO(encode(hdus))) as found:
        found.verify("exception")
        assert [h.name for h in found] == ["PRIMARY", "EVENTS"]
        header = found[0].header
        assert (header["REVOLUT"], header["OK"], header["OBSERVER"], header["RA"]) == (
            "0258",
            True,
            "O'Neill",
            1.5,
        )
        assert found[1].header["REFXLMAX"] == -13696
        assert found[1].header["TUNIT2"] == "0.05 arcsec"
        assert found[1].header["TNULL2"] == -99999999
        for column in hdus[1].columns or ():
            values = found[1].data[column.name]
            if column.name == "NAME":
                assert list(values) == ["abc"] * 7
            else:
                np.testing.assert_array_equal(values, column.values)


def test_blocks_are_whole_and_repeatable(hdus):
    data = encode(hdus)
    assert len(data) % 2880 == 0
    assert data == encode(hdus)
    assert compress(data) == compress(data)
    assert compress(data)[4:8] == b"\0\0\0\0"  # no date in the gzip header
    assert gzip.decompress(compress(data)) == data


def test_long_texts_continue_on_the_next_card():
    text = "x" * 150
    with fits.open(io.BytesIO(Hdu("PRIMARY", (("LONG", text, ""),)).encode())) as found:
        assert found[0].header["LONG"] == text


def test_tables_without_rows_are_legal(hdus):
    with fits.open(io.BytesIO(encode([hdus[0], hdus[1].with_rows(slice(0))]))) as found:
        assert len(found[1].data) == 0
        assert found[1].columns.names == ["TIME", "X", "PI", "CCDNR", "RATE", "NAME"]


def test_a_dropped_column_takes_its_keywords_along(hdus):
    with fits.open(io.BytesIO(encode([hdus[0], hdus[1].without_columns("TIME")]))) as found:
        assert found[1].columns.names[0] == "X"
        assert found[1].header["TNULL1"] == -99999999
        assert "TNULL2" not in found[1].header


def test_edits_leave_the_original_alone(hdus):
    events = hdus[1]
    before = events.encode()
    assert events.with_column("PI", np.zeros(7))["PI"].dtype == np.int16
    assert len(events.with_rows(slice(3))["X"]) == 3
    assert ("REFXLMAX", 5, "overflow") in events.with_cards(REFXLMAX=5).cards
    assert ("NEW", 1, "") in events.with_cards(NEW=1).cards
    assert events.without_cards("REFXLMAX").cards == ()
    assert events.encode() == before


def test_the_suffix_decides_about_compression(hdus, tmp_path):
    packed, plain = write_hdus(tmp_path / "a.FTZ", hdus), write_hdus(tmp_path / "a.fits", hdus)
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.FTZ", "a.fits"]
