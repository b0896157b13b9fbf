"""ZIP archives as hostile input: each row of the safety table, and nothing left behind."""

import errno
import gzip
import io
import random
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest

from builders.jwst_files import product
from ephemera.jwst.archive import Limits, bad_name, check_directory, unpack
from ephemera.jwst.inputs import Reading
from ephemera.jwst.problems import Outcome, Unusable
from ephemera.jwst.read import read_dataset

PLENTY = 10**12


@pytest.fixture
def fits(tmp_path):
    return product(tmp_path / "good.fits").read_bytes()


@pytest.fixture
def own_temporary(tmp_path, monkeypatch):
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def pack(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def read(path, limits=None):
    return read_dataset([path], [path.name], {}, Reading(limits=limits or Limits()))


def codes(result):
    return {problem.code for problem in result.problems}


@pytest.mark.parametrize(
    "name",
    [
        "/etc/a.fits",
        "../a.fits",
        "x/../../a.fits",
        "..\\a.fits",
        "C:\\a.fits",
        "c:/a.fits",
        "\\\\host\\a.fits",
        "a\x01b.fits",
    ],
)
def test_hostile_names_refuse_the_archive_and_leave_nothing(tmp_path, own_temporary, fits, name):
    path = pack(tmp_path / "h.zip", [("good.fits", fits), (name, fits)])
    before = set(tmp_path.rglob("*"))
    result, outcome = read(path)
    assert (outcome.value, codes(result)) == ("bad_archive", {"zip_bad_name"})
    assert set(tmp_path.rglob("*")) == before
    assert not list(own_temporary.iterdir())


def test_nul_in_a_name_is_seen(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("aXb.fits", fits)])
    path.write_bytes(path.read_bytes().replace(b"aXb.fits", b"a\x00b.fits"))
    result, _ = read(path)
    assert codes(result) == {"zip_bad_name"}


def test_bad_name_of_an_unwanted_member_only_refuses_it(tmp_path, fits):
    result, outcome = read(pack(tmp_path / "h.zip", [("good.fits", fits), ("../notes.txt", "x")]))
    assert outcome.value == "ok"
    assert "zip_bad_name" in codes(result)


def test_links_and_devices_are_refused(tmp_path, fits):
    path = tmp_path / "h.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good.fits", fits)
        for name, kind in (("link.fits", stat.S_IFLNK), ("device.fits", stat.S_IFCHR)):
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = (kind | 0o777) << 16
            archive.writestr(entry, "/etc/passwd")
    result, outcome = read(path)
    assert outcome.value == "ok"
    assert [p.code for p in result.problems].count("zip_bad_kind") == 2


def test_encrypted_members_are_refused(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("good.fits", fits), ("secret.fits", fits)])
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    result, outcome = read(path)
    assert outcome.value == "ok"
    assert "zip_bad_kind" in codes(result)


def test_too_many_members(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [(f"{k}.fits", b"") for k in range(6)])
    assert codes(read(path, Limits(members=5))[0]) == {"zip_too_many"}


def test_declared_total_size(tmp_path, fits):
    result, outcome = read(pack(tmp_path / "h.zip", [("good.fits", fits)]), Limits(total_bytes=1000))
    assert (outcome.value, codes(result)) == ("too_large", {"zip_too_large"})


def test_free_disk_counts(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("good.fits", fits)])
    with zipfile.ZipFile(path) as archive, pytest.raises(Unusable, match="allowed here"):
        check_directory(archive, "h.zip", Limits(), free_bytes=len(fits))


def test_bombs_are_refused_and_well_packed_files_are_not(tmp_path, fits):
    limits = Limits(ratio=100, ratio_above_bytes=100_000)
    result, outcome = read(
        pack(tmp_path / "h.zip", [("good.fits", fits), ("bomb.fits", bytes(10_000_000))]), limits
    )
    assert outcome.value == "ok"
    assert "zip_ratio" in codes(result)
    small = read(pack(tmp_path / "s.zip", [("good.fits", fits), ("zero.fits", bytes(90_000))]), limits)[0]
    assert "zip_ratio" not in codes(small)


def test_member_longer_than_it_declares(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("good.fits", fits)])
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.index(signature)
        struct.pack_into("<I", content, place + offset, 5000)
    path.write_bytes(content)
    result, outcome = read(path)
    assert outcome.value == "bad_archive"
    assert codes(result) <= {"zip_damaged", "zip_longer"}


def test_nested_archives_are_not_opened(tmp_path, fits):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("hidden.fits", fits)
    result, outcome = read(pack(tmp_path / "h.zip", [("good.fits", fits), ("more.zip", inner.getvalue())]))
    assert outcome.value == "ok"
    assert "nested_archive" in codes(result)
    assert result.n_read == 20


def test_second_of_two_equal_names_is_refused(tmp_path, fits):
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = pack(tmp_path / "h.zip", [("A.fits", fits), ("A.fits", fits), ("a.FITS", fits)])
    result, _ = read(path)
    assert [p.code for p in result.problems].count("zip_duplicate") == 2
    assert result.n_read == 20


def test_damaged_member_is_a_row_and_others_go_on(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("a.fits", fits), ("b.fits", fits[::-1])], zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[-3000] ^= 0xFF
    path.write_bytes(content)
    result, outcome = read(path)
    assert outcome.value == "ok"
    assert "zip_damaged" in codes(result)


def test_damaged_archive(tmp_path, fits):
    path = pack(tmp_path / "h.zip", [("a.fits", fits)])
    path.write_bytes(path.read_bytes()[:-40])
    assert codes(read(path)[0]) == {"zip_damaged"}


def test_archive_without_usable_files_says_what_it_holds(tmp_path):
    result, _ = read(pack(tmp_path / "h.zip", [("notes.txt", "x"), ("image.png", "y")]))
    assert "it holds notes.txt, image.png" in result.problems[0].message


def test_other_files_of_a_download_are_listed_as_ignored(tmp_path, fits):
    result, outcome = read(
        pack(
            tmp_path / "h.zip",
            [("d/x_x1dints.fits", fits), ("d/x_whtlt.ecsv", "a"), ("d/x_x1dints.png", "b")],
        )
    )
    assert outcome.value == "ok"
    ignored = [p.file for p in result.problems if p.action.value == "ignored"]
    assert ignored == ["h.zip:d/x_whtlt.ecsv", "h.zip:d/x_x1dints.png"]


def test_members_get_numbered_names_and_nothing_stays(tmp_path, own_temporary, fits):
    path = pack(tmp_path / "h.zip", [("../../x.txt", "a"), ("deep/folder/x.fits", fits)])
    with zipfile.ZipFile(path) as archive:
        directory = check_directory(archive, "h.zip", Limits(), PLENTY)
        target = tmp_path / "own"
        target.mkdir()
        found = [Path(p).name for _, p in unpack(archive, directory, target, Limits())]
    assert found == ["00000.fits"]
    read(path)
    assert not list(own_temporary.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"), [("a/b.fits", None), ("a..b.fits", None), ("...", None), ("a/..", "folder above")]
)
def test_names(name, reason):
    found = bad_name(name)
    assert (found is None) == (reason is None)


def test_damage_of_every_kind_ends_with_an_outcome(tmp_path, fits):
    draw, refused = random.Random(3), 0
    for packing in (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, "gzip"):
        path = tmp_path / ("h.fits.gz" if packing == "gzip" else "h.zip")
        if packing == "gzip":
            path.write_bytes(gzip.compress(fits, mtime=0))
        else:
            pack(path, [("good.fits", fits)], packing)
        content = path.read_bytes()
        for _ in range(60):
            found = bytearray(content)
            for _ in range(draw.choice([1, 3, 12])):
                low = draw.choice([0, max(0, len(found) - 120)])
                found[draw.randrange(low, len(found))] = draw.randrange(256)
            path.write_bytes(found)
            result, outcome = read(path)
            refused += outcome is not Outcome.OK
            assert outcome is Outcome.OK or result.problems
    assert refused > 100


@pytest.mark.parametrize(
    ("place", "value"),
    [(6, b"\xff\xff"), (8, b"\x00\x08"), (10, b"\x63\x00")],
    ids=["version needed", "name that is no UTF-8", "unknown packing"],
)
def test_directories_that_the_library_cannot_read(tmp_path, fits, place, value):
    path = pack(tmp_path / "h.zip", [("\xe9.fits", fits)])
    content = bytearray(path.read_bytes().replace("\xe9".encode(), b"\xe9\xe9"))
    start = content.rindex(b"PK\x01\x02")
    content[start + place : start + place + 2] = value
    path.write_bytes(content)
    result, outcome = read(path)
    assert (outcome.value, codes(result)) == ("bad_archive", {"zip_damaged"})


def test_a_full_disk_is_no_fault_of_the_archive(tmp_path, fits, monkeypatch):
    path = pack(tmp_path / "h.zip", [("good.fits", fits)])
    real = Path.open

    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(
        Path, "open", lambda self, mode="r", *a, **k: Full() if mode == "xb" else real(self, mode, *a, **k)
    )
    with pytest.raises(OSError, match="No space left"):
        read(path)
