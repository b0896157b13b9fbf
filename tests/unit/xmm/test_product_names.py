from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.xmm.observation import Camera
from ephemera.xmm.product_names import Role, check_obsid, parse_name, pipeline_obsid


@pytest.mark.parametrize(
    ("name", "obsid", "instrument", "exposure", "kind", "tail", "role", "camera"),
    [
        ("P0884250101PNS003PIEVLI0000.FTZ", "0884250101", "PN", "S003", "PIEVLI", "0000", "event_list", 0),
        ("P0884250101M1U002MIEVLI0000.FTZ", "0884250101", "M1", "U002", "MIEVLI", "0000", "event_list", 1),
        ("P0884250101M2S002TIEVLI0000.FTZ", "0884250101", "M2", "S002", "TIEVLI", "0000", "event_list", 2),
        (
            "P0884250101EPX000OBSMLI0000.FTZ",
            "0884250101",
            "EP",
            "X000",
            "OBSMLI",
            "0000",
            "source_list",
            None,
        ),
        ("P0124710801PNS001FBKTSR0000.FTZ", "0124710801", "PN", "S001", "FBKTSR", "0000", "flare_curve", 0),
        ("P0124710801OBX000ATTTSR0000.FTZ", "0124710801", "OB", "X000", "ATTTSR", "0000", "attitude", None),
        ("P0124710801PNS001IMAGE_8000.FTZ", "0124710801", "PN", "S001", "IMAGE_", "8000", "other", 0),
        ("P0004210201EPX000OIMAGE8000.fits", "0004210201", "EP", "X000", "OIMAGE", "8000", "other", None),
        ("p0884250101pns003pievli0000.ftz", "0884250101", "PN", "S003", "PIEVLI", "0000", "event_list", 0),
    ],
)
def test_pipeline_names_come_apart(name, obsid, instrument, exposure, kind, tail, role, camera):
    parsed = parse_name(name)
    assert parsed is not None
    assert (parsed.obsid, parsed.instrument, parsed.exposure_id) == (obsid, instrument, exposure)
    assert (parsed.product_type, parsed.tail, parsed.role) == (kind, tail, Role(role))
    assert parsed.camera == (None if camera is None else Camera(camera))
    assert parsed.timing == (kind == "TIEVLI")
    assert parsed.pipeline


@pytest.mark.parametrize(
    ("name", "camera", "exposure", "kind"),
    [
        ("4011_0884250101_EPN_S003_ImagingEvts.ds", Camera.PN, "S003", "PIEVLI"),
        ("4011_0884250101_EMOS1_U002_ImagingEvts.ds.gz", Camera.M1, "U002", "MIEVLI"),
        ("0184_0124710801_EMOS2_S001_TimingEvts.ds", Camera.M2, "S001", "TIEVLI"),
    ],
)
def test_names_of_reprocessed_lists_come_apart(name, camera, exposure, kind):
    parsed = parse_name(name)
    assert parsed is not None
    assert (parsed.camera, parsed.exposure_id, parsed.product_type) == (camera, exposure, kind)
    assert parsed.role is Role.EVENT_LIST
    assert not parsed.pipeline


@pytest.mark.parametrize(
    "name",
    [
        "",
        "events.fits",
        "P0884250101PNS003PIEVLI0000",
        "P0884250101PNS003PIEVLI0000.PDF",
        "P884250101PNS003PIEVLI0000.FTZ",
        "P0884250101PNS003PIEVLI0000.FTZ.part",
        "../P0884250101PNS003PIEVLI0000.FTZ",
        "P0884250101PNT003PIEVLI0000.FTZ",
        "P0884250101R1S004EVENLI0000.FTZ",
        "P0884250101PNS003PIEVLI0000_FILT.fits",
        "P0884250101PNS003PIEVLI0000.FTZ\n",
        "4011_0884250101_EPN_S003_Badpix01.ds",
    ],
)
def test_other_names_say_nothing(name):
    assert parse_name(name) is None


def test_a_source_list_of_the_optical_monitor_is_no_epic_product():
    name = "P0884250101OMX000OBSMLI0000.FTZ"
    assert parse_name(name) is None
    assert pipeline_obsid(name) == "0884250101"


@given(st.text())
def test_no_text_whatever_breaks_the_parsers(text):
    parsed = parse_name(text)
    assert parsed is None or check_obsid(parsed.obsid)
    assert pipeline_obsid(text) is None or check_obsid(str(pipeline_obsid(text)))


@pytest.mark.parametrize(
    "obsid", ["", "884250101", "00884250101", "08842501o1", "0884250101\n", "٠١٢٣٤٥٦٧٨٩", 884250101]
)
def test_an_obsid_is_a_text_of_ten_digits(obsid):
    with pytest.raises(ValueError, match="obsid must be a text of ten digits"):
        check_obsid(obsid)


def test_leading_zeros_stay():
    assert check_obsid("0000000001") == "0000000001"
