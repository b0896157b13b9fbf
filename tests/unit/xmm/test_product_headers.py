from __future__ import annotations

import gzip

import pytest

from ephemera.xmm.fits_stream import FitsError
from ephemera.xmm.observation import Camera
from ephemera.xmm.product_headers import check_whole, identify, observations_of
from ephemera.xmm.product_names import Role
from servers.xmm_products import OBSID, event_list, image, source_list, zipped


@pytest.mark.parametrize("compress", [bytes, zipped])
def test_an_event_list_is_known_by_its_headers_under_any_name(tmp_path, compress):
    path = tmp_path / "my-favourite.fits"
    path.write_bytes(compress(event_list(instrument="EMOS2", exposure="U005")))
    identity = identify(path)
    assert (identity.role, identity.obsid, identity.camera) == (Role.EVENT_LIST, OBSID, Camera.M2)
    assert (identity.exposure_id, identity.timing) == ("U005", False)


def test_a_timing_list_and_a_source_list_and_an_image(tmp_path):
    contents = {
        "timing": event_list(datamode="TIMING"),
        "sources": source_list(),
        "image": image(),
    }
    found = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        found[name] = identify(tmp_path / name)
    assert (found["timing"].role, found["timing"].timing) == (Role.EVENT_LIST, True)
    assert (found["sources"].role, found["sources"].camera) == (Role.SOURCE_LIST, None)
    assert found["image"].role is Role.OTHER


def test_keywords_that_are_missing_are_empty(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(event_list(obsid=None, instrument=None))
    identity = identify(path)
    assert (identity.obsid, identity.instrument, identity.camera) == ("", "", None)


def test_only_the_start_of_a_list_is_needed_to_identify_it_but_all_of_it_to_be_whole(tmp_path):
    content = zipped(event_list(rows=20_000))
    path = tmp_path / "cut.fits"
    path.write_bytes(content[: len(content) // 2])
    assert identify(path).role is Role.EVENT_LIST
    with pytest.raises(FitsError):
        check_whole(path)


@pytest.mark.parametrize("missing", [1, 4, 8, 100])
def test_a_gzip_file_without_its_last_bytes_is_not_whole(tmp_path, missing):
    path = tmp_path / "cut.ftz"
    path.write_bytes(zipped(event_list())[:-missing])
    with pytest.raises(FitsError):
        check_whole(path)


def test_a_changed_byte_is_found_by_the_checksum_of_gzip(tmp_path):
    content = bytearray(zipped(event_list()))
    content[-8] ^= 1
    path = tmp_path / "flipped.ftz"
    path.write_bytes(content)
    with pytest.raises(FitsError):
        check_whole(path)


@pytest.mark.parametrize(
    "content", [b"", b"<html>no</html>", gzip.compress(b"<html>", mtime=0), b"SIMPLE  = T"]
)
def test_what_is_not_fits_is_not_whole(tmp_path, content):
    path = tmp_path / "page.FTZ"
    path.write_bytes(content)
    with pytest.raises(FitsError):
        check_whole(path)


def test_all_observations_named_in_a_file_are_found(tmp_path):
    path = tmp_path / "x.fits"
    path.write_bytes(event_list())
    assert observations_of(check_whole(path)) == [OBSID, OBSID]


@pytest.mark.real_data
def test_real_lists_are_identified(shared_data):
    found = {
        path.name: identify(path) for path in sorted((shared_data / "xray").glob("xmm_*_clean_evts.fits"))
    }
    assert len(found) == 4
    for name, identity in found.items():
        assert identity.role is Role.EVENT_LIST
        assert identity.obsid == name.split("_")[1]
        assert identity.camera is (Camera.M1 if "mos1" in name else Camera.M2)


@pytest.mark.real_data
def test_a_real_flare_curve_has_no_obs_id(shared_data):
    path = shared_data / "xmm" / "exod1_0124710801" / "P0124710801PNS001FBKTSR0000.FTZ"
    assert identify(path).role is Role.FLARE_CURVE
    assert observations_of(check_whole(path)) == []
