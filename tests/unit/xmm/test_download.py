from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ephemera.transfer import web
from ephemera.xmm.download import main
from servers.xmm_archive import Fault, XmmArchive
from servers.xmm_products import (
    FLARES,
    M1,
    M1_SECOND,
    M2,
    OBSID,
    OTHER_OBSID,
    PN,
    SOURCES,
    event_list,
    source_list,
    whole_observation,
    zipped,
)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(web, "FIRST_PAUSE", 0.0)
    with XmmArchive() as running:
        for name, content in whole_observation().items():
            running.add(name, content)
        yield running


@pytest.fixture
def run(tmp_path):
    """Run the step; gives the manifest read back."""

    def step(kind, source=(), **settings):
        options = {
            "archive_url": "http://127.0.0.1:9/",
            "mirrors": [],
            "offline": False,
            "connect_timeout_s": 5.0,
            "read_timeout_s": 5.0,
            "total_timeout_s": 30.0,
            "retries": 1,
            "optional_products": [],
        }
        location = ";".join(str(path) for path in source)
        note = {"unit": settings.pop("obsid", OBSID), "kind": kind, "location": location}
        written = tmp_path / "raw" / OBSID / "source.json"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(json.dumps(note), encoding="utf-8")
        output = tmp_path / "manifest.json"
        main(
            SimpleNamespace(
                settings=SimpleNamespace(**(options | settings)),
                input=SimpleNamespace(source=written),
                output=SimpleNamespace(manifest=output),
            )
        )
        return json.loads(output.read_text(encoding="utf-8"))

    return step


def names(manifest):
    return {file["path"].rsplit("/", 1)[1]: file["role"] for file in manifest["files"]}


WHOLE = {PN: "event_list", M1: "event_list", M2: "event_list", SOURCES: "source_list"}


def test_an_observation_from_the_archive(run, server, tmp_path):
    manifest = run("archive", archive_url=server.url)
    assert (manifest["obsid"], manifest["outcome"], manifest["detail"]) == (OBSID, "ok", "")
    assert manifest["source"] == {"kind": "archive", "value": []}
    assert names(manifest) == WHOLE
    assert [file["path"] for file in manifest["files"]] == sorted(file["path"] for file in manifest["files"])
    for file in manifest["files"]:
        path = tmp_path / "raw" / OBSID / file["path"].rsplit("/", 1)[1]
        assert file["path"] == str(path)
        assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        assert (file["size"], file["mtime_ns"]) == (path.stat().st_size, path.stat().st_mtime_ns)
        assert file["url"].startswith(server.url + "?obsno=" + OBSID)
    assert server.names_asked() == ["PN PIEVLI", "M1 MIEVLI", "M2 MIEVLI", "OBSMLI"]


def test_a_second_run_needs_no_network_and_gives_the_same_bytes(run, server, tmp_path):
    server.add(M1_SECOND, zipped(event_list(instrument="EMOS1", exposure="U002")))
    server.state.files.pop(M2)
    run("archive", archive_url=server.url)
    first = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").unlink()
    assert run("archive", offline=True)["outcome"] == "ok"
    assert (tmp_path / "manifest.json").read_bytes() == first
    assert len(server.asked) == 4


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"cut")])
def test_only_what_is_not_intact_is_fetched_again(run, server, tmp_path, damage):
    before = run("archive", archive_url=server.url)
    damage(tmp_path / "raw" / OBSID / M1)
    server.asked.clear()
    after = run("archive", archive_url=server.url)
    assert server.names_asked() == ["M1 MIEVLI"]
    assert [file["sha256"] for file in after["files"]] == [file["sha256"] for file in before["files"]]


def test_an_interrupted_run_goes_on_where_it_stopped(run, server):
    server.fail("M2 MIEVLI", Fault.FORBIDDEN)
    failed = run("archive", archive_url=server.url)
    assert failed["outcome"] == "download_failed"
    assert "M2 MIEVLI" in failed["detail"]
    assert "not public" in failed["detail"]
    assert names(failed) == {PN: "event_list", M1: "event_list"}
    server.asked.clear()
    assert names(run("archive", archive_url=server.url)) == WHOLE
    assert server.names_asked() == ["M2 MIEVLI", "OBSMLI"]


def test_missing_cameras_and_a_missing_source_list_are_no_failure(run, server):
    for name in (M1, M2, SOURCES):
        server.state.files.pop(name)
    manifest = run("archive", archive_url=server.url)
    assert (manifest["outcome"], names(manifest)) == ("ok", {PN: "event_list"})


def test_no_list_at_all(run, server, tmp_path):
    server.state.files.clear()
    manifest = run("archive", archive_url=server.url)
    assert (manifest["outcome"], manifest["files"]) == ("no_lists", [])
    server.add(PN, zipped(event_list()))
    assert run("archive", archive_url=server.url)["outcome"] == "ok", "absence is not remembered of nothing"


def test_two_exposures_arrive_in_a_bundle(run, server):
    server.add(M1_SECOND, zipped(event_list(instrument="EMOS1", exposure="U002")))
    assert names(run("archive", archive_url=server.url)) == {**WHOLE, M1_SECOND: "event_list"}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (Fault.BUSY, "download_failed"),
        (Fault.PAGE, "download_failed"),
        (Fault.PAGE_AS_FILE, "download_failed"),
        (Fault.CUT_UNANNOUNCED, "download_failed"),
        (Fault.RESET, "download_failed"),
    ],
)
def test_faults_that_stay_are_an_outcome(run, server, tmp_path, fault, outcome):
    server.fail("PN PIEVLI", fault, fault)
    manifest = run("archive", archive_url=server.url)
    assert manifest["outcome"] == outcome
    assert manifest["detail"].startswith("PN PIEVLI: ")
    assert manifest["files"] == []
    left = [path.name for path in (tmp_path / "raw" / OBSID).iterdir()]
    assert left == ["source.json"], "nothing half-done stays behind"


def test_faults_that_pass_leave_no_trace(run, server):
    server.fail("PN PIEVLI", Fault.BUSY)
    server.fail("M1 MIEVLI", Fault.TRUNCATED)
    server.fail("OBSMLI", Fault.PAGE)
    manifest = run("archive", archive_url=server.url)
    assert (manifest["outcome"], manifest["detail"], names(manifest)) == ("ok", "", WHOLE)


def test_a_slow_server_is_an_outcome(run, server):
    server.fail("PN PIEVLI", Fault.DRIPPING)
    manifest = run("archive", archive_url=server.url, total_timeout_s=0.3)
    assert manifest["outcome"] == "download_failed"
    assert "not complete within 0.3 s" in manifest["detail"]


def test_a_wrong_observation_is_an_outcome(run, server, tmp_path):
    server.reply_with("M1 MIEVLI", M1, zipped(event_list(obsid=OTHER_OBSID)))
    manifest = run("archive", archive_url=server.url)
    assert manifest["outcome"] == "wrong_obsid"
    assert OTHER_OBSID in manifest["detail"]
    assert not (tmp_path / "raw" / OBSID / M1).exists()


def test_failures_read_the_same_each_time(run, tmp_path):
    texts = []
    for _ in range(2):
        run("archive", retries=0)
        texts.append((tmp_path / "manifest.json").read_bytes())
    assert texts[0] == texts[1]
    assert b"download_failed" in texts[0]


def test_optional_products_come_or_are_remarked_on(run, server):
    server.add(FLARES, zipped(source_list(obsid=None)))
    server.fail("IMAGE_8000", Fault.FORBIDDEN)
    extra = ["FBKTSR", "ATTTSR", "IMAGE_8000"]
    manifest = run("archive", archive_url=server.url, optional_products=extra)
    assert manifest["outcome"] == "ok"
    assert names(manifest) == {**WHOLE, FLARES: "flare_curve"}
    assert manifest["detail"].startswith("IMAGE_8000: ")
    server.asked.clear()
    run("archive", archive_url=server.url, optional_products=extra)
    assert server.names_asked() == ["IMAGE_8000"]


def test_offline_with_files_there_searches_them(run, tmp_path):
    folder = tmp_path / "raw" / OBSID
    folder.mkdir(parents=True)
    (folder / PN).write_bytes(zipped(event_list()))
    manifest = run("archive", offline=True)
    assert (manifest["outcome"], names(manifest)) == ("ok", {PN: "event_list"})
    assert manifest["files"][0]["url"] is None
    assert manifest["detail"].count("no good file here, and offline") == 3


def test_offline_with_nothing_there_is_a_failure(run):
    manifest = run("archive", offline=True)
    assert manifest["outcome"] == "download_failed"
    assert "offline" in manifest["detail"]


def test_offline_a_file_that_was_replaced_by_hand_is_used_and_told(run, server, tmp_path):
    run("archive", archive_url=server.url)
    (tmp_path / "raw" / OBSID / PN).write_bytes(zipped(event_list(rows=7)))
    manifest = run("archive", offline=True)
    assert (manifest["outcome"], names(manifest)) == ("ok", WHOLE)
    assert manifest["detail"] == "PN PIEVLI: other files than were fetched, and offline"


def test_a_local_mirror_needs_no_network(run, tmp_path):
    mirror = tmp_path / "mirror" / OBSID / "pps"
    mirror.mkdir(parents=True)
    for name, content in whole_observation().items():
        (mirror / name).write_bytes(content)
    manifest = run("archive", offline=True, mirrors=[str(tmp_path / "mirror")])
    assert (manifest["outcome"], names(manifest)) == ("ok", WHOLE)


def test_a_folder(run, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name, content in whole_observation().items():
        (folder / name).write_bytes(content)
    manifest = run("folder", [folder])
    assert (manifest["outcome"], names(manifest)) == ("ok", WHOLE)
    assert manifest["source"] == {"kind": "folder", "value": [str(folder)]}
    assert {file["url"] for file in manifest["files"]} == {None}
    assert [p.name for p in (tmp_path / "raw" / OBSID).iterdir()] == ["source.json"]


def test_named_files(run, tmp_path):
    for name, content in {"pn.fits": event_list(), "sources.fits": source_list()}.items():
        (tmp_path / name).write_bytes(content)
    manifest = run("files", [tmp_path / "sources.fits", tmp_path / "pn.fits"])
    assert manifest["outcome"] == "ok"
    assert names(manifest) == {"pn.fits": "event_list", "sources.fits": "source_list"}


def test_local_failures_are_outcomes(run, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.fits").write_bytes(event_list(obsid=OTHER_OBSID))
    (tmp_path / "image.txt").write_bytes(b"x")
    assert run("folder", [tmp_path / "empty"])["outcome"] == "no_lists"
    assert run("folder", [tmp_path / "absent"])["outcome"] == "download_failed"
    assert run("files", [tmp_path / "absent.fits"])["outcome"] == "download_failed"
    assert run("files", [tmp_path / "other.fits"])["outcome"] == "wrong_obsid"
    assert run("files", [])["outcome"] == "no_lists"
    assert run("files", ["x" * 5000])["outcome"] == "download_failed"


def test_a_damaged_list_stays_in_the_manifest_so_that_its_reader_says_why(run, tmp_path):
    (tmp_path / PN).write_bytes(b"")
    manifest = run("files", [tmp_path / PN])
    assert (manifest["outcome"], names(manifest)) == ("ok", {PN: "event_list"})


def test_a_changed_file_changes_the_manifest(run, tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(event_list(seed=1))
    first = run("files", [path])
    path.write_bytes(event_list(seed=2))
    assert run("files", [path])["files"][0]["sha256"] != first["files"][0]["sha256"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"obsid": "../x"}, "obsid"),
        ({"optional_products": ["*"]}, "optional_products"),
        ({"archive_url": "gopher://x"}, "an archive or mirror"),
    ],
)
def test_wrong_configuration_is_an_error(run, change, message):
    with pytest.raises(ValueError, match=message):
        run("archive", **change)


def test_an_unknown_kind_of_source_is_an_error(run):
    with pytest.raises(ValueError, match="kind of source"):
        run("tape")


def test_local_observations_do_without_the_http_library():
    code = (
        "import sys, ephemera.xmm.download; sys.exit('requests' in sys.modules or 'astropy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.real_data
@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
def test_real_lists_from_their_folder(run, shared_data, obsid):
    manifest = run("folder", [shared_data / "xray"], obsid=obsid)
    assert (manifest["outcome"], manifest["detail"]) == ("ok", "")
    assert names(manifest) == {
        f"xmm_{obsid}_mos1_clean_evts.fits": "event_list",
        f"xmm_{obsid}_mos2_clean_evts.fits": "event_list",
    }
