"""The client of the X-Match service, against a server that behaves like it and against a real answer."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from ephemera.sky.sphere import separation_arcsec
from ephemera.transfer import BadAnswer, Web
from ephemera.transfer.xmatch import Unavailable, XMatch, parse
from servers.xmatch import Fault, Table, XMatchService

STARS = Table(
    [{"name": "one", "RAJ2000": 10.0, "DEJ2000": 20.0}, {"name": "two", "RAJ2000": 359.9999, "DEJ2000": 0.0}],
    "RAJ2000",
    "DEJ2000",
)


def client(service, folder, retries=0, **options):
    web = Web(folder, retries=retries, per_second=1000.0, pause=lambda _: None)
    return XMatch(service.url, web, folder, **options)


def test_positions_go_up_in_chunks_and_answers_are_kept(tmp_path):
    ra, dec = np.linspace(9.99, 10.01, 101), np.full(101, 20.0)
    with XMatchService({"vizier:x": STARS}) as service:
        one = client(service, tmp_path, chunk_rows=40)
        found = one.near("vizier:x", ra, dec, 20.0)
        assert [len(asked.uploaded) for asked in service.asked] == [40, 40, 21]
        assert set(service.asked[0].fields) == {
            "request", "distMaxArcsec", "RESPONSEFORMAT", "cat2", "colRA1", "colDec1",
        }  # fmt: skip
        again = one.near("vizier:x", ra[::-1], dec, 20.0)
        assert len(service.asked) == 3
        assert again.equals(found)
    offline = XMatch(service.url, None, tmp_path, chunk_rows=40)
    assert offline.near("vizier:x", ra, dec, 20.0).equals(found)
    with pytest.raises(Unavailable, match="offline"):
        offline.near("vizier:x", ra, dec, 10.0)
    expected = np.count_nonzero(separation_arcsec(ra, dec, np.full(101, 10.0), dec) <= 20)
    assert len(found) == expected
    assert found.column_names == ["name", "RAJ2000", "DEJ2000"]


def test_right_ascension_wraps(tmp_path):
    with XMatchService({"vizier:x": STARS}) as service:
        found = client(service, tmp_path).near("vizier:x", np.array([0.0001]), np.array([0.0]), 1.0)
    assert found["name"].to_pylist() == ["two"]


@pytest.mark.parametrize("fault", list(Fault))
def test_a_bad_reply_is_asked_for_again_and_then_given_up(tmp_path, fault):
    place = (np.array([10.0]), np.array([20.0]))
    with XMatchService({"vizier:x": STARS}) as service:
        service.faults.append(fault)
        with pytest.raises(Unavailable):
            client(service, tmp_path).near("vizier:x", *place, 1.0)
        assert not list(tmp_path.glob("*.csv"))
        service.faults.append(fault)
        assert len(client(service, tmp_path, retries=1).near("vizier:x", *place, 1.0)) == 1


def test_no_match_is_a_table_without_rows_and_an_unknown_table_is_unavailable(tmp_path):
    with XMatchService({"vizier:x": STARS}) as service:
        one = client(service, tmp_path)
        assert len(one.near("vizier:x", np.array([50.0]), np.array([20.0]), 1.0)) == 0
        with pytest.raises(Unavailable, match="400"):
            one.near("vizier:y", np.array([50.0]), np.array([20.0]), 1.0)
    assert one.near("vizier:x", np.empty(0), np.empty(0), 1.0).num_columns == 0


@pytest.mark.parametrize(
    "body", [b"", b"  \n", b"<html></html>", b"angDist,a,b\n1,2,3\n", b"angDist,ephemera_row\n"]
)
def test_what_is_no_table_of_matches_is_refused(body):
    with pytest.raises(BadAnswer):
        parse(body)


def test_the_real_answer_of_the_service_reads_as_ours_does(shared_data, tmp_path):
    """The kept request and answer: our server gives the same pairs for the same rows."""
    folder = shared_data / "survey" / "catalogs"
    with (folder / "xmatch_allwise_response.csv").open(newline="") as file:
        answer = list(csv.DictReader(file))[:400]
    rows = [{n: row[n] for n in ("AllWISE", "RAJ2000", "DEJ2000", "W1mag")} for row in answer]
    unique = list({row["AllWISE"]: row for row in rows}.values())
    ra = np.array([float(row["ra_in"]) for row in answer])
    dec = np.array([float(row["dec_in"]) for row in answer])
    radius = max(float(row["angDist"]) for row in answer)
    with XMatchService({"vizier:II/328/allwise": Table(unique, "RAJ2000", "DEJ2000")}) as service:
        found = client(service, tmp_path).near("vizier:II/328/allwise", ra, dec, radius + 0.01)
    assert set(found["AllWISE"].to_pylist()) == {row["AllWISE"] for row in rows}
    theirs = separation_arcsec(
        ra, dec, [float(row["RAJ2000"]) for row in answer], [float(row["DEJ2000"]) for row in answer]
    )
    # The service measures to the catalogue's unrounded positions, the answer gives them to 0.36 mas.
    np.testing.assert_allclose(theirs, [float(row["angDist"]) for row in answer], atol=2e-3)
    assert next(iter(answer[0])) == "angDist"
