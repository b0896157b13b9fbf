import gzip

import numpy as np
import pytest
from astropy.io import fits

from builders.event_lists import write_list
from ephemera.xmm.fits_stream import FitsError, Header, open_fits, parse_value


def card(text: str) -> bytes:
    return text.ljust(80).encode()


def read_all(path):
    with open_fits(path) as stream:
        return [
            (hdu.header.name, hdu.read(sorted(hdu.column_names())) if hdu.is_table else {}) for hdu in stream
        ]


def read_event_times(path):
    with open_fits(path) as stream:
        return next(hdu.read(["TIME"])["TIME"] for hdu in stream if hdu.header.name == "EVENTS")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("'EPN     '           / instrument", "EPN"),
        ("'it''s / here'  / a slash", "it's / here"),
        ("                   T / yes", True),
        ("                   F", False),
        ("                 258 / revolution", 258),
        ("5.08140000000000E+04 / MJD", 50814.0),
        ("1.5D3", 1500.0),
        ("'0258    '", "0258"),
        ("", None),
        (" / only a comment", None),
        ("'never closed", None),
        ("(1.0, 2.0)", None),
    ],
)
def test_values_of_cards(field, value):
    found = parse_value(field)
    assert found == value
    assert type(found) is type(value)


def test_header_takes_the_first_card_and_converts_text_to_numbers():
    header = Header(
        card("REVOLUT = '0258    '") + card("REVOLUT = 999") + card("BAD     = 'x'") + card("COMMENT = 1")
    )
    assert header.number("REVOLUT") == 258
    assert header.text("REVOLUT") == "0258"
    assert header.number("BAD") is None
    assert header.number("ABSENT") is None
    assert header.text("ABSENT") == ""
    assert "ABSENT" not in header


def test_all_tables_of_a_real_list_equal_those_of_astropy(shared_data):
    path = shared_data / "xray" / "xmm_0404910601_mos1_clean_evts.fits"
    found = read_all(path)
    with fits.open(path) as hdus:
        assert [name for name, _ in found] == ["", *(hdu.name for hdu in hdus[1:])]
        for (_, columns), hdu in zip(found[1:], hdus[1:], strict=True):
            assert columns
            for name, values in columns.items():
                np.testing.assert_array_equal(values, hdu.data[name])


def test_a_gzipped_file_reads_the_same(tmp_path, shared_data):
    path = shared_data / "xray" / "xmm_0201901401_mos2_clean_evts.fits"
    zipped = tmp_path / "list.FTZ"
    zipped.write_bytes(gzip.compress(path.read_bytes(), 1, mtime=0))
    plain, packed = read_all(path), read_all(zipped)
    assert [name for name, _ in plain] == [name for name, _ in packed]
    for (_, a), (_, b) in zip(plain, packed, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_scaled_unsigned_and_vector_columns(tmp_path):
    path = tmp_path / "t.fits"
    columns = [
        fits.Column("TEXT", "5A", array=["a", "b"]),
        fits.Column("U", "I", array=np.array([0, 65535], "u2"), bzero=32768),
        fits.Column("V", "3E", array=np.zeros((2, 3))),
        fits.Column("BITS", "12X", array=np.zeros((2, 12), bool)),
        fits.Column("S", "J", array=[18, 38]),
        fits.Column("time", "D", array=[1.5, 2.5]),
    ]
    written = fits.BinTableHDU.from_columns(columns)
    written.header["TSCAL5"], written.header["TZERO5"] = 0.5, 1.0
    written.writeto(path)
    (_, _), (_, table) = read_all(path)
    assert sorted(table) == ["S", "TIME", "U"]
    assert table["U"].tolist() == [0, 65535]
    assert table["TIME"].tolist() == [1.5, 2.5]
    assert table["S"].tolist() == [10.0, 20.0]


@pytest.mark.parametrize("suffix", [".fits", ".FTZ"])
def test_every_cut_of_a_file_is_noticed(tmp_path, suffix):
    whole = write_list(tmp_path / f"whole{suffix}").read_bytes()
    cut = tmp_path / f"cut{suffix}"
    sizes = set(range(1, len(whole), len(whole) // 60)) | {len(whole) - 1}
    if suffix == ".fits":
        # Nothing in a plain file says how many tables follow, or that the padding is all there.
        with fits.open(tmp_path / "whole.fits") as hdus:
            ends = [(h.fileinfo()["datLoc"] + h.header["NAXIS1"] * h.header["NAXIS2"]) for h in hdus[1:]]
        sizes -= {size for size in sizes for end in [2880, *ends] if end <= size <= -(-end // 2880) * 2880}
    for size in sorted(sizes):
        cut.write_bytes(whole[:size])
        with pytest.raises(FitsError, match=r"byte|empty|not a FITS"):
            read_all(cut)


def test_damaged_gzip_data_are_noticed(tmp_path):
    whole = bytearray(write_list(tmp_path / "whole.FTZ").read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "bad.FTZ").write_bytes(whole)
    with pytest.raises(FitsError, match=r"gzip data damaged or cut off near byte \d+ of \d+, in"):
        read_all(tmp_path / "bad.FTZ")


def test_missing_padding_and_trailing_records_do_no_harm(tmp_path):
    whole = write_list(tmp_path / "whole.fits").read_bytes()
    expected = read_event_times(tmp_path / "whole.fits")
    bare = tmp_path / "bare.fits"
    bare.write_bytes(whole.rstrip(b"\0") + b"\0" * 8)
    np.testing.assert_array_equal(read_event_times(bare), expected)
    bare.write_bytes(whole + b"\0" * 2880)
    np.testing.assert_array_equal(read_event_times(bare), expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>Service unavailable</html>" * 100, "begins with b'<!DOCTYPE"),
        (gzip.compress(b"<html></html>" * 500, mtime=0), "begins with b'<html>"),
        (b"\x1f\x8b", "gzip data damaged"),
        (card("SIMPLE  =                    T") * 36 * 10, "ends at byte"),
    ],
)
def test_what_is_not_fits_is_refused(tmp_path, content, message):
    path = tmp_path / "P0884250101PNS003PIEVLI0000.FTZ"
    path.write_bytes(content)
    with pytest.raises(FitsError, match=message):
        read_all(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NAXIS2", "999999999999"),
        ("NAXIS1", "3"),
        ("NAXIS2", "-5"),
        ("TFORM1", "'weird   '"),
        ("BITPIX", "7"),
    ],
)
def test_impossible_tables_are_refused_without_filling_memory(tmp_path, name, value):
    raw = write_list(tmp_path / "a.fits").read_bytes()
    at = raw.index(f"{name:8s}=".encode(), raw.index(b"XTENSION"))
    path = tmp_path / "b.fits"
    path.write_bytes(raw[:at] + card(f"{name:8s}= {value:>20s}") + raw[at + 80 :])
    with pytest.raises(FitsError):
        read_all(path)


def test_a_row_of_more_bytes_than_any_list_has_is_refused(tmp_path):
    cards = ["SIMPLE  = T", "BITPIX  = 8", "NAXIS   = 0"]
    table = ["XTENSION= 'BINTABLE'", "BITPIX  = 8", "NAXIS   = 2", "NAXIS1  = 3000000000", "NAXIS2  = 0"]
    table += ["PCOUNT  = 0", "GCOUNT  = 1", "TFIELDS = 1", "TTYPE1  = 'TIME'", "TFORM1  = 'D'"]
    blocks = [b"".join(map(card, [*part, "END"])).ljust(2880) for part in (cards, table)]
    path = tmp_path / "wide.fits"
    path.write_bytes(b"".join(blocks))
    with pytest.raises(FitsError, match="a row of 3000000000 bytes"):
        read_all(path)
