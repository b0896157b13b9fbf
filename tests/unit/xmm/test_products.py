from __future__ import annotations

import pytest

from ephemera.xmm.product_names import parse_name
from ephemera.xmm.products import REQUIRED, optional_products


def test_the_four_queries_of_an_observation():
    assert [product.query("0884250101") for product in REQUIRED] == [
        {"obsno": "0884250101", "level": "PPS", "instname": "PN", "name": "PIEVLI"},
        {"obsno": "0884250101", "level": "PPS", "instname": "M1", "name": "MIEVLI"},
        {"obsno": "0884250101", "level": "PPS", "instname": "M2", "name": "MIEVLI"},
        {"obsno": "0884250101", "level": "PPS", "name": "OBSMLI"},
    ]


@pytest.mark.parametrize(
    ("name", "matching"),
    [
        ("P0884250101PNS003PIEVLI0000.FTZ", ["PN PIEVLI"]),
        ("P0884250101M1U002MIEVLI0000.FTZ", ["M1 MIEVLI"]),
        ("P0884250101M2S002TIEVLI0000.FTZ", []),
        ("P0884250101EPX000OBSMLI0000.FTZ", ["OBSMLI"]),
        ("P0884250101M1S001IMAGE_8000.FTZ", ["IMAGE_8000"]),
        ("P0884250101M1S001IMAGE_7000.FTZ", []),
        ("P0884250101OBX000ATTTSR0000.FTZ", ["ATTTSR"]),
    ],
)
def test_each_file_answers_its_own_query_only(name, matching):
    parsed = parse_name(name)
    assert parsed is not None
    products = [*REQUIRED, *optional_products(["IMAGE_8000", "ATTTSR"])]
    assert [str(product) for product in products if product.matches(parsed)] == matching


def test_optional_products_named_twice_are_asked_for_once():
    assert [str(p) for p in optional_products(["FBKTSR", "ATTTSR", "FBKTSR"])] == ["FBKTSR", "ATTTSR"]


@pytest.mark.parametrize("name", ["", "fbktsr", "FBKTSR&level=ODF", "../../x", "FBKT*"])
def test_optional_products_must_be_product_types(name):
    with pytest.raises(ValueError, match="optional_products must be types"):
        optional_products([name])
