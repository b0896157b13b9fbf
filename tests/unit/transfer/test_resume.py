"""Large bodies: continued where they broke off, never pieced together from two, bounded in time and size."""

from __future__ import annotations

import pytest

from ephemera.transfer import WebError, resume
from ephemera.transfer.resume import name_from_header
from servers.xmm_archive import Fault
from servers.xmm_client import SECONDS, asking, whole_archive
from servers.xmm_products import OBSID, PN, event_list, zipped

QUERY = {"obsno": OBSID, "level": "PPS", "instname": "PN", "name": "PIEVLI"}


@pytest.fixture
def server(monkeypatch):
    with whole_archive(monkeypatch) as running:
        yield running


@pytest.fixture
def receive(server, tmp_path):
    """Receive the pn list into tmp_path/body; gives its bytes. `pause` is told of pauses between attempts."""

    def run(pause=lambda _: None, *, seconds=SECONDS, **limits):
        web = asking(tmp_path, pause, **limits)
        take = lambda reply: reply.path.read_bytes()  # noqa: E731
        return web.receive(server.url, QUERY, tmp_path / "body", seconds=seconds, take=take)

    return run


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (f'attachment; filename="{PN}"', PN),
        (f"attachment; filename={PN}", PN),
        (f"inline;filename={PN};size=12", PN),
        (f"attachment; filename*=UTF-8''{PN}", PN),
        (f'attachment; filename="../../{PN}"', PN),
        (f'attachment; filename="..\\\\{PN}"', PN),
        ("attachment", None),
        ('attachment; filename=""', None),
        ('attachment; filename="/"', None),
        ("", None),
    ],
)
def test_file_names_in_headers_lose_their_folders(header, name):
    assert name_from_header(header) == name


@pytest.mark.parametrize("etag", [True, False])
def test_a_broken_body_is_continued_where_it_broke_off(receive, server, etag):
    server.state.etag = etag
    half = len(server.state.files[PN]) // 2
    server.fail("PN PIEVLI", Fault.TRUNCATED)
    assert receive() == server.state.files[PN]
    assert [asked.range for asked in server.asked] == [None, f"bytes={half}-"]


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("same_file", [True, False])
def test_another_process_continues_what_a_killed_one_received(receive, server, tmp_path, same_file):
    server.fail("PN PIEVLI", Fault.TRUNCATED)

    def die(_):
        raise Killed

    with pytest.raises(Killed):
        receive(die)
    received = (tmp_path / "body").stat().st_size
    assert received > 0
    content = server.state.files[PN]
    if not same_file:
        content = zipped(event_list(rows=60))
        server.add(PN, content)
    asked = len(server.asked)
    assert receive() == content
    assert server.asked[asked].range == f"bytes={received}-"
    assert not (tmp_path / "body.json").exists()


def test_a_note_of_another_body_is_not_believed(receive, server, tmp_path):
    for note in ('{"url": "http://other", "query": {}, "validator": "x"}', "[]", "half a no"):
        (tmp_path / "body").write_bytes(b"half of something")
        (tmp_path / "body.json").write_text(note)
        assert receive() == server.state.files[PN]
        assert server.asked[-1].range is None


def test_a_server_without_ranges_starts_again(receive, server):
    server.state.ranges = False
    server.fail("PN PIEVLI", Fault.TRUNCATED)
    assert receive() == server.state.files[PN]
    assert [asked.range for asked in server.asked] == [None, None]


@pytest.mark.parametrize("fault", [Fault.MISPLACED, Fault.UNSATISFIABLE])
def test_a_server_that_cannot_continue_starts_again(receive, server, fault):
    server.fail("PN PIEVLI", Fault.TRUNCATED, fault)
    assert receive() == server.state.files[PN]
    first, second, third = (asked.range for asked in server.asked)
    assert (first, third) == (None, None)
    assert second is not None


def test_a_body_that_is_compressed_on_the_way_is_opened_and_never_continued(receive, server):
    server.state.encode = True
    server.fail("PN PIEVLI", Fault.TRUNCATED)
    assert receive() == server.state.files[PN]
    assert [asked.range for asked in server.asked] == [None, None]


def test_a_body_that_stalls_is_continued_after_the_read_time_limit(receive, server):
    server.fail("PN PIEVLI", Fault.STALLED)
    assert receive(read_timeout=0.2, retries=1) == server.state.files[PN]
    assert server.asked[1].range is not None


def test_a_body_without_end_is_given_up(receive, server, monkeypatch):
    monkeypatch.setattr(resume, "MAX_BODY_BYTES", 100)
    with pytest.raises(WebError, match="larger than 100 bytes"):
        receive()
    assert len(server.asked) == 1


def test_a_file_that_changed_on_the_server_is_not_pieced_together(receive, server):
    changed = zipped(event_list(seed=99, rows=80))
    server.fail("PN PIEVLI", Fault.TRUNCATED)
    assert receive(lambda _: server.add(PN, changed)) == changed
    assert server.asked[1].range is not None


def test_the_server_may_ask_for_a_longer_pause_within_the_time_that_is_left(receive, server):
    pauses = []
    for wish in ("20", "86400"):
        server.fail("PN PIEVLI", Fault.BUSY)
        server.state.retry_after = wish
        receive(pauses.append)
    assert pauses[0] == 20.0
    assert pauses[1] <= SECONDS


def test_a_server_that_says_nothing_costs_the_read_time_limit_each_time(receive, server):
    server.fail("PN PIEVLI", Fault.SILENT)
    assert receive(read_timeout=0.2, retries=1) == server.state.files[PN]


def test_a_server_that_drips_is_left_at_the_total_time_limit(receive, server):
    server.fail("PN PIEVLI", *[Fault.DRIPPING] * 4)
    with pytest.raises(WebError, match=r"not complete within 0\.3 s"):
        receive(seconds=0.3)
    assert len(server.asked) == 1
