from __future__ import annotations

import pytest

from ephemera.transfer import NotThere, Web, WebError
from ephemera.xmm import archive as archive_module
from ephemera.xmm.archive import Archive, mirror_files
from ephemera.xmm.archive_errors import OfflineError, WrongObservationError
from ephemera.xmm.products import REQUIRED, optional_products
from servers.xmm_archive import Fault, XmmArchive, bundle
from servers.xmm_client import RETRIES, SECONDS, asking, whole_archive
from servers.xmm_products import (
    FLARES,
    M1,
    M1_SECOND,
    OBSID,
    OTHER_OBSID,
    PN,
    SOURCES,
    event_list,
    source_list,
    zipped,
)

PN_LISTS, M1_LISTS, M2_LISTS, SOURCE_LIST = REQUIRED


@pytest.fixture
def server(monkeypatch):
    with whole_archive(monkeypatch) as running:
        yield running


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def fetch(server, tmp_path, pauses):
    """Fetch a product into tmp_path/staging; gives names and contents."""

    def run(product, *, bases=None, obsid=OBSID, offline=False, seconds=SECONDS, **limits):
        web = asking(tmp_path, pauses.append, **limits)
        archive = Archive(bases or [server.url], web, seconds=seconds, offline=offline)
        files = archive.fetch(obsid, product, tmp_path / "staging")
        return {file.path.name: file.path.read_bytes() for file in files}

    return run


def test_a_product_comes_under_the_name_of_the_header(fetch, server):
    assert fetch(PN_LISTS) == {PN: server.state.files[PN]}
    assert server.names_asked() == ["PN PIEVLI"]
    assert server.asked[0].query == {"obsno": OBSID, "level": "PPS", "instname": "PN", "name": "PIEVLI"}


def test_two_exposures_come_in_a_bundle(fetch, server):
    server.add(M1_SECOND, zipped(event_list(instrument="EMOS1", exposure="U002")))
    assert set(fetch(M1_LISTS)) == {M1, M1_SECOND}


def test_the_source_list_is_taken_out_of_a_bundle_with_another_instrument(fetch, server):
    server.add(f"P{OBSID}OMX000OBSMLI0000.FTZ", zipped(source_list()))
    assert set(fetch(SOURCE_LIST)) == {SOURCES}


def test_an_optional_product_without_obs_id_is_accepted(fetch, server):
    server.add(FLARES, zipped(source_list(obsid=None)))
    assert set(fetch(optional_products(["FBKTSR"])[0])) == {FLARES}


def test_absent_is_an_answer_and_is_not_asked_again(fetch, server, pauses):
    server.fail("PN PIEVLI", Fault.GONE)
    with pytest.raises(NotThere):
        fetch(PN_LISTS)
    assert len(server.asked) == 1
    assert pauses == []


def test_an_announced_empty_reply_means_absent(fetch, server):
    server.fail("OBSMLI", Fault.EMPTY)
    with pytest.raises(NotThere):
        fetch(SOURCE_LIST)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize(
    "fault",
    [
        Fault.BUSY,
        Fault.RESET,
        Fault.TRUNCATED,
        Fault.CHUNKED_TRUNCATED,
        Fault.CUT_UNANNOUNCED,
        Fault.PAGE,
        Fault.PAGE_AS_FILE,
    ],
)
def test_every_passing_fault_is_overcome(fetch, server, pauses, fault, ranges):
    server.state.ranges = ranges
    server.fail("PN PIEVLI", fault, fault)
    assert fetch(PN_LISTS) == {PN: server.state.files[PN]}
    assert len(server.asked) == 3
    assert len(pauses) == 2


def test_faults_that_stay_end_in_one_error_after_all_retries(fetch, server, pauses):
    server.fail("PN PIEVLI", *[Fault.BUSY] * 4)
    with pytest.raises(WebError, match="status 503"):
        fetch(PN_LISTS)
    assert len(server.asked) == RETRIES + 1
    assert len(pauses) == RETRIES


def test_a_page_that_stays_is_an_error_and_says_so(fetch, server):
    server.fail("PN PIEVLI", *[Fault.PAGE] * 4)
    with pytest.raises(WebError, match="a page of type text/html came instead of a file"):
        fetch(PN_LISTS)


def test_nobody_there(fetch):
    with pytest.raises(WebError, match="connection failed"):
        fetch(PN_LISTS, bases=["http://127.0.0.1:9/"])


@pytest.mark.parametrize("inside", [True, False])
def test_a_file_of_another_observation_is_not_accepted(fetch, server, inside):
    name = PN if inside else f"P{OTHER_OBSID}PNS003PIEVLI0000.FTZ"
    server.reply_with("PN PIEVLI", name, zipped(event_list(obsid=OTHER_OBSID)))
    with pytest.raises(WrongObservationError, match=OTHER_OBSID):
        fetch(PN_LISTS)
    assert len(server.asked) == 1


def test_a_hostile_bundle_is_refused_once_and_for_all(fetch, server):
    server.reply_with("PN PIEVLI", "GUEST1.tar", bundle([(f"../../{PN}", b"x")]))
    with pytest.raises(WebError, match="outside its folder"):
        fetch(PN_LISTS)
    assert len(server.asked) == 1


def test_a_bundle_with_one_damaged_member_is_fetched_again_whole(fetch, server):
    good = zipped(event_list(instrument="EMOS1"))
    damaged = bundle([(f"{OBSID}/pps/{M1}", good), (f"{OBSID}/pps/{M1_SECOND}", good[:-9])])
    server.reply_with("M1 MIEVLI", "GUEST1.tar", damaged)
    with pytest.raises(WebError, match=M1_SECOND):
        fetch(M1_LISTS)
    assert len(server.asked) == RETRIES + 1


def test_a_file_of_another_product_means_that_this_one_is_absent(fetch, server):
    server.reply_with("PN PIEVLI", M1, zipped(event_list()))
    with pytest.raises(NotThere):
        fetch(PN_LISTS)


def test_mirrors_are_asked_in_order_when_the_archive_fails(fetch, server):
    assert set(fetch(PN_LISTS, bases=["http://127.0.0.1:9/", server.url])) == {PN}


def test_a_mirror_may_have_what_the_archive_has_not(fetch, server):
    with XmmArchive() as empty:
        assert set(fetch(PN_LISTS, bases=[empty.url, server.url])) == {PN}
        with pytest.raises(NotThere):
            fetch(PN_LISTS, bases=[empty.url, "http://127.0.0.1:9/"])


@pytest.mark.parametrize("layout", ["", f"{OBSID}", f"{OBSID}/pps", "pps"])
@pytest.mark.parametrize("as_url", [True, False])
def test_folders_are_mirrors_too_and_come_first(fetch, server, tmp_path, layout, as_url):
    mirror = tmp_path / "a mirror"
    (mirror / layout).mkdir(parents=True)
    content = zipped(event_list(seed=5))
    (mirror / layout / PN).write_bytes(content)
    base = mirror.as_uri() if as_url else str(mirror)
    assert fetch(PN_LISTS, bases=[server.url, base]) == {PN: content}
    assert server.asked == []
    assert (mirror / layout / PN).read_bytes() == content


def test_a_damaged_file_of_a_folder_is_replaced_by_the_archive(fetch, server, tmp_path):
    (tmp_path / PN).write_bytes(b"<html>")
    assert fetch(PN_LISTS, bases=[server.url, str(tmp_path)]) == {PN: server.state.files[PN]}


def test_a_damaged_file_of_a_folder_is_an_error_even_if_the_archive_has_none(fetch, server, tmp_path):
    (tmp_path / PN).write_bytes(b"<html>")
    server.fail("PN PIEVLI", Fault.GONE)
    with pytest.raises(WebError, match="not a FITS file") as caught:
        fetch(PN_LISTS, bases=[server.url, str(tmp_path)])
    assert not isinstance(caught.value, NotThere)


def test_folders_alone_can_say_that_a_product_is_absent(fetch, tmp_path):
    with pytest.raises(NotThere):
        fetch(PN_LISTS, bases=[str(tmp_path)])


def test_offline_asks_no_server(fetch, server, tmp_path):
    with pytest.raises(OfflineError):
        fetch(PN_LISTS, offline=True)
    assert server.asked == []
    (tmp_path / PN).write_bytes(zipped(event_list()))
    assert set(fetch(PN_LISTS, bases=[server.url, str(tmp_path)], offline=True)) == {PN}
    assert server.asked == []


def test_a_mirror_that_is_not_there_holds_nothing(tmp_path):
    assert mirror_files(tmp_path / "no", OBSID, PN_LISTS) == []


def test_a_mirror_that_cannot_be_read_is_told(fetch, server, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(archive_module, "files_of", refuse)
    with pytest.raises(WebError, match=r"cannot be read \(Permission denied\)"):
        fetch(PN_LISTS, bases=[str(tmp_path)])


def test_a_file_of_a_mirror_that_cannot_be_read_is_told(fetch, tmp_path, monkeypatch):
    monkeypatch.setattr(archive_module, "mirror_files", lambda *_: [tmp_path])
    with pytest.raises(WebError, match="cannot be read"):
        fetch(PN_LISTS, bases=[str(tmp_path)])


def test_a_mirror_of_many_observations_gives_only_the_one_asked_for(tmp_path):
    for name in (PN, M1, f"P{OTHER_OBSID}PNS003PIEVLI0000.FTZ", f"{PN}.part", f".partial.{PN}"):
        (tmp_path / name).write_bytes(b"x")
    assert mirror_files(tmp_path, OBSID, PN_LISTS) == [tmp_path / PN]


@pytest.mark.parametrize("base", ["", "ftp://archive/x", "http:///x", "file://otherhost/x"])
def test_bases_are_checked_at_the_door(base, tmp_path):
    with pytest.raises(ValueError, match="an archive or mirror must be"):
        Archive([base], Web(tmp_path), seconds=SECONDS)


def test_passwords_do_not_get_into_urls(tmp_path):
    with pytest.raises(ValueError, match="without a name and password") as caught:
        Archive(["https://me:secret@archive/x"], Web(tmp_path), seconds=SECONDS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("obsid", ["x", "../../etc", "0884250101&level=ODF"])
def test_obsids_are_checked_before_they_reach_a_url_or_a_path(fetch, server, obsid):
    with pytest.raises(ValueError, match="obsid"):
        fetch(PN_LISTS, obsid=obsid)
    assert server.asked == []
