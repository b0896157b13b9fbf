from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from ephemera.transfer import BadAnswer, NotThere, Reply, WebError
from ephemera.xmm import archive_members
from ephemera.xmm.archive_errors import WrongObservationError
from ephemera.xmm.archive_members import check_product, is_tar, unpack
from servers.xmm_archive import bundle
from servers.xmm_products import (
    FLARES,
    M1,
    M1_SECOND,
    OBSID,
    OTHER_OBSID,
    PN,
    event_list,
    source_list,
    zipped,
)


def reply(tmp_path, name, content):
    path = tmp_path / "body"
    path.write_bytes(content)
    return Reply(name, "http://archive/x", path)


def unpacked(tmp_path, members):
    folder = tmp_path / "files"
    return unpack(reply(tmp_path, "GUEST1.tar", bundle(members)), OBSID, folder)


def tar_of(info, content=b""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_bundles_are_known_by_name():
    assert is_tar("GUEST12345.tar")
    assert is_tar("guest12345")
    assert is_tar("0884250101.tar.gz")
    assert not is_tar(PN)


def test_one_file_keeps_its_name(tmp_path):
    [path] = unpack(reply(tmp_path, PN, b"content"), OBSID, tmp_path / "files")
    assert path == tmp_path / "files" / PN
    assert path.read_bytes() == b"content"
    assert not (tmp_path / "body").exists()


def test_a_bundle_is_flattened_and_only_products_of_the_observation_come_out(tmp_path):
    files = unpacked(
        tmp_path,
        [
            (f"{OBSID}/pps/{M1_SECOND}", b"second"),
            (f"{OBSID}/pps/{M1}", b"first"),
            (f"{OBSID}/pps/P{OBSID}M1S001MIEVLI0000.PDF", b"a picture"),
            (f"{OBSID}/pps/P{OBSID}OMX000OBSMLI0000.FTZ", b"another instrument"),
            (f"{OBSID}/pps/P{OTHER_OBSID}M1S001MIEVLI0000.FTZ", b"another observation"),
            (f"{OBSID}/README", b"text"),
        ],
    )
    assert [path.name for path in files] == [M1, M1_SECOND]
    assert [path.read_bytes() for path in files] == [b"first", b"second"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files"]
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == [M1, M1_SECOND]


def test_entries_for_folders_are_nothing_special(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        folder = tarfile.TarInfo(f"{OBSID}/pps")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        file = tarfile.TarInfo(f"{OBSID}/pps/{M1}")
        file.size = 5
        tar.addfile(file, io.BytesIO(b"first"))
    [path] = unpack(reply(tmp_path, "GUEST1.tar", buffer.getvalue()), OBSID, tmp_path / "files")
    assert path.read_bytes() == b"first"


def test_a_gzipped_bundle_is_opened_too(tmp_path):
    content = gzip.compress(bundle([(f"{OBSID}/pps/{M1}", b"first")]), mtime=0)
    [path] = unpack(reply(tmp_path, "GUEST1.tar.gz", content), OBSID, tmp_path / "files")
    assert path.read_bytes() == b"first"


@pytest.mark.parametrize(
    "name",
    [
        f"../{PN}",
        f"{OBSID}/../../{PN}",
        f"/tmp/{PN}",
        f"..\\..\\{PN}",
        "../../../../etc/cron.d/x",
    ],
)
def test_paths_outside_refuse_the_whole_bundle(tmp_path, name):
    with pytest.raises(WebError, match="a path outside its folder"):
        unpacked(tmp_path, [(f"{OBSID}/pps/{M1}", b"good"), (name, b"bad")])
    assert not (tmp_path / PN).exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE]
)
def test_links_and_devices_refuse_the_whole_bundle(tmp_path, kind):
    info = tarfile.TarInfo(f"{OBSID}/pps/{PN}")
    info.type = kind
    info.linkname = "/etc/passwd"
    with pytest.raises(WebError, match="no regular file"):
        unpack(reply(tmp_path, "GUEST1.tar", tar_of(info)), OBSID, tmp_path / "files")
    assert list((tmp_path / "files").iterdir()) == []


def test_a_link_of_a_previous_member_cannot_be_written_through(tmp_path):
    target = tmp_path / "target"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / PN).symlink_to(target)
    with pytest.raises(FileExistsError):
        unpacked(tmp_path, [(f"{OBSID}/pps/{PN}", b"content")])
    assert not target.exists()


def test_the_same_name_twice_is_refused(tmp_path):
    with pytest.raises(WebError, match="twice"):
        unpacked(tmp_path, [(f"a/{PN}", b"one"), (f"b/{PN.lower()}", b"two")])


def test_sizes_and_counts_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_members, "MAX_MEMBER_BYTES", 10)
    with pytest.raises(WebError, match="too large"):
        unpacked(tmp_path, [(PN, b"eleven bytes")])
    monkeypatch.undo()
    monkeypatch.setattr(archive_members, "MAX_MEMBERS", 1)
    with pytest.raises(WebError, match="too large"):
        unpacked(tmp_path, [("a", b""), ("b", b"")])


@pytest.mark.parametrize("keep", [0, 100, 512, 700, 1024, 1024 + 512 + 3])
def test_a_bundle_cut_anywhere_is_asked_for_again(tmp_path, keep):
    content = bundle([(f"{OBSID}/pps/{M1}", b"x" * 500), (f"{OBSID}/pps/{M1_SECOND}", b"y" * 500)])
    with pytest.raises(BadAnswer, match="bundle is damaged"):
        unpack(reply(tmp_path, "GUEST1.tar", content[:keep]), OBSID, tmp_path / "files")


def test_a_page_called_a_bundle_is_asked_for_again(tmp_path):
    with pytest.raises(BadAnswer, match="bundle is damaged"):
        unpack(reply(tmp_path, "GUEST1.tar", b"<html>" * 300), OBSID, tmp_path / "files")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (f"P{OTHER_OBSID}PNS003PIEVLI0000.FTZ", WrongObservationError),
        (f"P{OBSID}OMX000OBSMLI0000.FTZ", NotThere),
        (f"P{OBSID}PNS003PIEVLI0000.PDF", NotThere),
        ("index.html", WebError),
    ],
)
def test_a_file_that_was_not_asked_for(tmp_path, name, error):
    with pytest.raises(error) as caught:
        unpack(reply(tmp_path, name, b"x"), OBSID, tmp_path / "files")
    assert type(caught.value) is error


def test_an_empty_bundle_means_absent_and_a_foreign_one_wrong(tmp_path):
    with pytest.raises(NotThere):
        unpacked(tmp_path, [])
    with pytest.raises(NotThere):
        unpacked(tmp_path, [(f"{OBSID}/MANIFEST", b"nothing found")])
    with pytest.raises(WrongObservationError, match=OTHER_OBSID):
        unpacked(tmp_path, [(f"{OTHER_OBSID}/pps/P{OTHER_OBSID}PNS003PIEVLI0000.FTZ", b"x")])


def test_a_good_product_passes(tmp_path):
    path = tmp_path / PN
    path.write_bytes(zipped(event_list()))
    check_product(path, OBSID)


def test_what_is_inside_counts_not_the_name(tmp_path):
    path = tmp_path / PN
    path.write_bytes(zipped(event_list(obsid=OTHER_OBSID)))
    with pytest.raises(WrongObservationError, match=OTHER_OBSID):
        check_product(path, OBSID)


def test_only_event_lists_must_name_their_observation(tmp_path):
    flares, events = tmp_path / FLARES, tmp_path / PN
    flares.write_bytes(zipped(source_list(obsid=None)))
    events.write_bytes(zipped(event_list(obsid=None)))
    check_product(flares, OBSID)
    with pytest.raises(WebError, match="without OBS_ID"):
        check_product(events, OBSID)


def test_a_damaged_product_is_asked_for_again(tmp_path):
    path = tmp_path / PN
    path.write_bytes(zipped(event_list())[:-20])
    with pytest.raises(BadAnswer, match=PN):
        check_product(path, OBSID)
