"""Archives and packed files of packets: read as streams, and what damage in them costs."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from builders.alert_accounts import read, reasons
from builders.alerts import container, packet, write
from ephemera.alerts import archives
from ephemera.alerts.decode import account_of, read_packets


def test_archives_are_read_as_streams(tmp_path, good):
    blobs = {f"night/{k}.avro": container([record]) for k, record in enumerate(good)}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, blob in blobs.items():
            info = tarfile.TarInfo(name)
            info.size = len(blob)
            archive.addfile(info, io.BytesIO(blob))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, blob in blobs.items():
            archive.writestr(name, blob)
    write(tmp_path / "c.avro.gz", gzip.compress(blobs["night/0.avro"]))
    for name, number in (("a.tar.gz", 3), ("b.zip", 3), ("c.avro.gz", 1)):
        assert len(read_packets(tmp_path / name)) == number
    assert not (tmp_path / "night").exists()


@pytest.mark.parametrize("name", ["a.tar.gz", "b.zip"])
def test_archives_that_end_early(tmp_path, good, name):
    test_archives_are_read_as_streams(tmp_path, good)
    content = (tmp_path / name).read_bytes()
    table = read_packets(write(tmp_path / f"short-{name}", content[: len(content) * 2 // 3]))
    assert reasons(account_of(table)) == {"truncated": 1}


def zipped(path, names):
    """A zip archive of one packet for each name, stored as it is."""
    with zipfile.ZipFile(path, "w") as archive:
        for k, name in enumerate(names, 1):
            archive.writestr(name, container([packet(k)]))
    return bytearray(path.read_bytes())


def test_a_damaged_member_of_a_zip_archive_costs_none_of_the_others(tmp_path):
    content = zipped(tmp_path / "a.zip", ["1.avro", "2.avro", "3.avro"])
    content[content.find(b"2.avro") + 20] ^= 0xFF
    table, account = read(tmp_path / "a.zip", bytes(content))
    assert sorted(table["alert_id"].to_pylist()) == [1, 3]
    assert reasons(account) == {"truncated": 1}
    assert (account["quarantine"][0]["file"], account["quarantine"][0]["stage"]) == ("a.zip/2.avro", "open")


def test_an_encrypted_member_of_a_zip_archive_costs_none_of_the_others(tmp_path):
    content = zipped(tmp_path / "a.zip", ["1.avro", "2.avro"])
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.find(start) + flags] |= 1  # bit 0 of the general purpose flags: encrypted
    table, account = read(tmp_path / "a.zip", bytes(content))
    assert table["alert_id"].to_pylist() == [2]
    assert reasons(account) == {"other": 1}
    assert "encrypted" in account["quarantine"][0]["detail"]


@pytest.mark.parametrize("name", ["a.avro.gz", "a.tar", "a.tar.gz", "a.zip"])
def test_files_larger_than_any_packet_are_refused_and_not_cut(tmp_path, monkeypatch, name):
    blob = container([packet(k) for k in range(1, 4)], "null")
    monkeypatch.setattr(archives, "LARGEST_MEMBER", len(blob) - 1)
    path = tmp_path / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.avro", blob)
    elif ".tar" in name:
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as archive:
            info = tarfile.TarInfo("x.avro")
            info.size = len(blob)
            archive.addfile(info, io.BytesIO(blob))
    else:
        path.write_bytes(gzip.compress(blob))
    table, account = read(path, path.read_bytes())
    assert len(table) == 0
    assert reasons(account) == {"other": 1}
    assert "larger than any packet" in account["quarantine"][0]["detail"]


def test_files_of_one_name_in_two_folders_are_told_apart(tmp_path):
    for k, folder in enumerate(("first", "second"), 1):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.avro", container([packet(k, ra=10.0 + k)]))
    table = read_packets(tmp_path)
    assert sorted(table["source_file"].to_pylist()) == ["first/a.avro", "second/a.avro"]
