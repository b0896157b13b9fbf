from __future__ import annotations

import os
import shutil

import pytest

from ephemera.xmm.local_files import in_folder, named_files
from ephemera.xmm.product_names import Role
from ephemera.xmm.products import optional_products
from servers.xmm_products import (
    FLARES,
    M1,
    M2,
    OBSID,
    OTHER_OBSID,
    PN,
    SOURCES,
    event_list,
    image,
    source_list,
    whole_observation,
    zipped,
)

IMAGE = f"P{OBSID}PNS003IMAGE_8000.FTZ"
TIMING = f"P{OBSID}M2S004TIEVLI0000.FTZ"


def fill(folder, **extra):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**whole_observation(), **extra}.items():
        (folder / name).write_bytes(content)


def roles(found):
    return {file.path.name: file.role for file in found.files}


@pytest.mark.parametrize("layout", ["", OBSID, f"{OBSID}/pps", "pps", "a/b/c"])
def test_pipeline_files_are_found_wherever_they_lie(tmp_path, layout):
    fill(tmp_path / layout)
    found = in_folder(tmp_path, OBSID)
    assert roles(found) == {
        PN: Role.EVENT_LIST,
        M1: Role.EVENT_LIST,
        M2: Role.EVENT_LIST,
        SOURCES: Role.SOURCE_LIST,
    }
    assert (found.remarks, found.foreign, found.missing) == ((), (), ())


def test_a_folder_of_many_observations_gives_only_one(tmp_path):
    fill(tmp_path)
    (tmp_path / f"P{OTHER_OBSID}PNS003PIEVLI0000.FTZ").write_bytes(zipped(event_list(obsid=OTHER_OBSID)))
    (tmp_path / "theirs.fits").write_bytes(event_list(obsid=OTHER_OBSID))
    ours, theirs = in_folder(tmp_path, OBSID), in_folder(tmp_path, OTHER_OBSID)
    assert len(ours.files) == 4
    assert (ours.remarks, ours.foreign) == ((), ())
    assert list(roles(theirs)) == [f"P{OTHER_OBSID}PNS003PIEVLI0000.FTZ"]
    assert theirs.remarks == (
        f"the same exposure as P{OTHER_OBSID}PNS003PIEVLI0000.FTZ, left out: theirs.fits",
    )


def test_subfolders_of_other_observations_are_not_entered(tmp_path):
    (tmp_path / OTHER_OBSID).mkdir()
    (tmp_path / OTHER_OBSID / PN).write_bytes(zipped(event_list()))
    (tmp_path / M1).write_bytes(zipped(event_list(instrument="EMOS1")))
    assert list(roles(in_folder(tmp_path, OBSID))) == [M1]


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        in_folder(tmp_path, OBSID)


def test_timing_lists_are_found_so_that_they_can_be_reported(tmp_path):
    fill(tmp_path, **{TIMING: zipped(event_list(datamode="TIMING", instrument="EMOS2"))})
    assert roles(in_folder(tmp_path, OBSID))[TIMING] is Role.EVENT_LIST


def test_images_only_when_asked_for(tmp_path):
    fill(tmp_path, **{IMAGE: zipped(image()), FLARES: zipped(source_list(obsid=None))})
    assert IMAGE not in roles(in_folder(tmp_path, OBSID))
    assert roles(in_folder(tmp_path, OBSID))[FLARES] is Role.FLARE_CURVE
    assert roles(in_folder(tmp_path, OBSID, optional_products(["IMAGE_8000"])))[IMAGE] is Role.OTHER


def test_pages_pictures_and_unfinished_files_are_passed_over(tmp_path):
    names = [f"P{OBSID}PNS003PIEVLI0000.PDF", "INDEX.HTM", f".partial.{PN}", ".hidden.fits", "notes.txt"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    found = in_folder(tmp_path, OBSID)
    assert (found.files, found.remarks) == ((), ())


def test_lists_with_names_of_the_users_are_known_by_their_headers(tmp_path):
    (tmp_path / "pn_clean.fits.gz").write_bytes(zipped(event_list()))
    (tmp_path / "sources.fits").write_bytes(source_list())
    (tmp_path / "map.fits").write_bytes(image())
    chandra = event_list(instrument="ACIS")
    (tmp_path / "acis.fits").write_bytes(chandra)
    assert roles(in_folder(tmp_path, OBSID)) == {
        "pn_clean.fits.gz": Role.EVENT_LIST,
        "sources.fits": Role.SOURCE_LIST,
    }


def test_a_file_that_cannot_be_identified_is_mentioned(tmp_path):
    (tmp_path / "events.fits").write_bytes(b"<html>")
    found = in_folder(tmp_path, OBSID)
    assert found.files == ()
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith("not identified: events.fits")


def test_a_damaged_file_with_a_good_name_is_kept_for_its_outcome(tmp_path):
    (tmp_path / PN).write_bytes(b"<html>")
    assert roles(in_folder(tmp_path, OBSID)) == {PN: Role.EVENT_LIST}


def test_one_exposure_is_searched_once(tmp_path):
    reprocessed = f"4011_{OBSID}_EPN_S003_ImagingEvts.ds"
    fill(tmp_path, **{reprocessed: event_list(), "filtered.fits": event_list()})
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / PN.replace("FTZ", "FIT")).write_bytes(event_list())
    found = in_folder(tmp_path, OBSID)
    assert list(roles(found)) == sorted([PN, M1, M2, SOURCES])
    assert len(found.remarks) == 3
    assert all(f"the same exposure as {PN}, left out: " in remark for remark in found.remarks)


def test_two_exposures_of_one_camera_are_two_lists(tmp_path):
    fill(tmp_path, **{"second.fits": event_list(instrument="EMOS1", exposure="U002")})
    assert len([role for role in roles(in_folder(tmp_path, OBSID)).values() if role is Role.EVENT_LIST]) == 4


def test_another_observation_under_our_name_is_told(tmp_path):
    fill(tmp_path, **{PN: zipped(event_list(obsid=OTHER_OBSID))})
    assert in_folder(tmp_path, OBSID).foreign == (f"{PN} has OBS_ID {OTHER_OBSID!r}",)


def test_a_folder_that_is_not_there(tmp_path):
    assert in_folder(tmp_path / "no", OBSID).missing == (str(tmp_path / "no"),)


def test_named_files_all_count(tmp_path):
    contents = {
        "a.fits": event_list(),
        "b.gz": zipped(source_list()),
        "c": image(),
        "d.fits": b"",
        PN: zipped(event_list()),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    paths = [tmp_path / name for name in contents]
    found = named_files([*paths, tmp_path / "a.fits", tmp_path / "e.fits"], OBSID)
    assert roles(found) == {
        "a.fits": Role.EVENT_LIST,
        "b.gz": Role.SOURCE_LIST,
        "c": Role.OTHER,
        "d.fits": Role.EVENT_LIST,
        PN: Role.EVENT_LIST,
    }
    assert found.remarks == ("neither an event list nor a source list: c",)
    assert found.missing == (str(tmp_path / "e.fits"),)


def test_a_named_file_of_another_observation_is_told(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(event_list(obsid=OTHER_OBSID))
    assert named_files([path], OBSID).foreign == (f"a.fits has OBS_ID {OTHER_OBSID!r}",)


def test_a_link_to_a_file_is_a_file_and_a_broken_one_is_not(tmp_path):
    (tmp_path / "real").write_bytes(event_list())
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "good.fits").symlink_to(tmp_path / "real")
    (tmp_path / "links" / "broken.fits").symlink_to(tmp_path / "nothing")
    assert roles(in_folder(tmp_path / "links", OBSID)) == {"good.fits": Role.EVENT_LIST}


@pytest.mark.real_data
def test_real_lists_are_found_among_others(shared_data):
    found = in_folder(shared_data / "xray", "0201901401")
    assert roles(found) == {
        "xmm_0201901401_mos1_clean_evts.fits": Role.EVENT_LIST,
        "xmm_0201901401_mos2_clean_evts.fits": Role.EVENT_LIST,
    }
    assert [file.exposure for file in found.files] == [("M1", "U002", False), ("M2", "U002", False)]


@pytest.mark.real_data
def test_a_real_list_under_another_name(shared_data, tmp_path):
    shutil.copyfile(shared_data / "xray" / "xmm_0404910601_mos2_clean_evts.fits", tmp_path / "x")
    [file] = named_files([tmp_path / "x"], "0404910601").files
    assert (file.role, file.exposure) == (Role.EVENT_LIST, ("M2", "S002", False))
