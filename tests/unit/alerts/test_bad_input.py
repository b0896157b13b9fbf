"""Every kind of bad input that a stream brings: what is refused, why, and that the rest is read."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import zlib
from importlib import import_module

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.alert_accounts import read, reasons
from builders.alerts import candidate, container, packet, write, ztf_schema
from ephemera.alerts import codec as codecs
from ephemera.alerts.codec import CodecMissingError, require_codecs
from ephemera.alerts.decode import account_of, read_packets
from ephemera.alerts.outcomes import PacketError, Reason

CODECS = ("null", "deflate", "snappy", "zstandard", "bzip2", "xz")


def test_empty_file(tmp_path):
    _, account = read(tmp_path / "a.avro", b"")
    assert reasons(account) == {"not_avro": 1}
    assert "empty" in account["quarantine"][0]["detail"]


def test_text_file(tmp_path):
    _, account = read(tmp_path / "a.avro", b"this is no packet\n" * 10)
    assert reasons(account) == {"not_avro": 1}


def test_truncated_container_keeps_what_came_before(tmp_path, good):
    whole = container(good, sync_interval=1, sync_marker=bytes(range(16)))
    table, account = read(tmp_path / "a.avro", whole[:-40])
    assert len(table) == 2
    assert reasons(account) == {"truncated": 1}


def test_header_that_ends_early(tmp_path, good):
    _, account = read(tmp_path / "a.avro", container(good)[:200])
    assert reasons(account) == {"truncated": 1}


def test_after_a_lost_marker_reading_goes_on_at_the_next(tmp_path, good):
    marker = bytes(range(1, 17))
    whole = bytearray(container(good, sync_interval=1, sync_marker=marker))
    second = whole.find(marker, whole.find(marker) + 1)  # the one after the first block
    whole[second : second + 16] = b"x" * 16
    table, account = read(tmp_path / "a.avro", bytes(whole))
    # The first block has lost its marker; the second cannot be found, the third can.
    assert table["alert_id"].to_pylist() == [102]
    assert reasons(account) == {"sync_marker": 1}


def test_a_block_of_impossible_size(tmp_path, good):
    marker = bytes(range(1, 17))
    whole = container(good[:1], sync_marker=marker)
    header = whole[: whole.find(marker) + 16]
    broken = header + b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f" + whole[len(header) :]
    _, account = read(tmp_path / "a.avro", broken)
    assert reasons(account) == {"sync_marker": 1}


def test_schema_with_a_bad_type(tmp_path, good):
    whole = container(good).replace(b'"double"', b'"dooble"')
    _, account = read(tmp_path / "a.avro", whole)
    assert reasons(account) == {"schema_invalid": 1}


def test_a_schema_without_fields(tmp_path, good):
    whole = container(good, "null").replace(b'"fields"', b'"fjelds"', 1)
    _, account = read(tmp_path / "a.avro", whole)
    assert reasons(account) == {"schema_invalid": 1}


def test_schema_of_another_survey(tmp_path):
    schema = {"type": "record", "name": "x", "fields": [{"name": "a", "type": "int"}]}
    _, account = read(tmp_path / "a.avro", container([{"a": 1}], schema=schema))
    assert reasons(account) == {"unknown_schema": 1}


@pytest.mark.parametrize("codec", CODECS)
def test_codecs(tmp_path, good, codec):
    table, _ = read(tmp_path / "a.avro", container(good, codec))
    assert len(table) == 3


@pytest.mark.parametrize("codec", CODECS[1:])
def test_a_block_that_expands_beyond_the_limit_costs_only_its_packets(tmp_path, monkeypatch, codec):
    large = {**packet(9), "cutoutScience": bytes(10_000)}
    whole = container([packet(1), large, packet(2)], codec, sync_interval=1)
    monkeypatch.setattr(codecs, "LARGEST_EXPANDED", 8000)
    table, account = read(tmp_path / "a.avro", whole)
    assert sorted(table["alert_id"].to_pylist()) == [1, 2]
    assert reasons(account) == {"other": 1}
    assert "more than 8000 bytes when expanded" in account["quarantine"][0]["detail"]


@pytest.mark.parametrize("codec", ["deflate", "zstandard", "bzip2", "xz"])
def test_a_compressed_block_that_ends_early(codec):
    packed = {
        "deflate": lambda data: zlib.compress(data)[2:-4],
        "zstandard": lambda data: import_module("backports.zstd").compress(data),
        "bzip2": bz2.compress,
        "xz": lzma.compress,
    }[codec](b"packet" * 1000)
    expand = codecs.decompressor(codec)
    assert expand(packed) == b"packet" * 1000
    with pytest.raises(EOFError, match="ends early"):
        expand(packed[:-8])


def test_unknown_codec_is_named(tmp_path, good):
    whole = container(good, "deflate").replace(b"\x0edeflate", b"\x0edeflat!")
    _, account = read(tmp_path / "a.avro", whole)
    assert reasons(account) == {"codec_missing": 1}


@pytest.mark.parametrize(("codec", "package"), [("snappy", "cramjam"), ("zstandard", "backports.zstd")])
def test_a_missing_codec_library_is_one_clear_error_before_the_run(monkeypatch, codec, package):
    real = import_module

    def importing(name, *rest):
        if name == package:
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(codecs, "import_module", importing)
    with pytest.raises(CodecMissingError, match=package):
        require_codecs()
    with pytest.raises(PacketError) as error:
        codecs.decompressor(codec)
    assert error.value.reason is Reason.CODEC_MISSING


def test_older_and_newer_schemas_are_read_by_version(tmp_path):
    old = [{**packet(1), "schemavsn": "1.8"}]
    table, account = read(tmp_path / "old.avro", container(old))
    assert table["schema_version"].to_pylist() == ["1.8"]
    assert account["warnings"] == {}
    new = [{**packet(2), "schemavsn": "9.1"}]
    table, account = read(tmp_path / "new.avro", container(new))
    assert len(table) == 1
    assert list(account["warnings"]) == ["schema version 9.1 of ztf is not known; read as 4.99"]


def test_a_new_version_without_a_required_field_is_refused(tmp_path):
    schema = ztf_schema()
    for field in schema["fields"]:
        if field["name"] == "candidate":
            field["type"]["fields"] = [f for f in field["type"]["fields"] if f["name"] != "jd"]
    record = packet(1)
    record["schemavsn"] = "9.1"
    del record["candidate"]["jd"]
    _, account = read(tmp_path / "a.avro", container([record], schema=schema))
    assert reasons(account) == {"missing_field": 1}


@pytest.mark.parametrize("priors", [None, []])
def test_no_priors(tmp_path, priors):
    table, account = read(tmp_path / "a.avro", container([packet(1, priors=priors)]))
    assert len(table) == 1
    assert account["priors"]["in"] == 0


def test_a_prior_that_is_null_is_counted_as_refused(tmp_path):
    schema = ztf_schema()
    (field,) = (field for field in schema["fields"] if field["name"] == "prv_candidates")
    field["type"][1]["items"] = ["null", "ztf.candidate"]
    record = packet(1, priors=[candidate(5), None, candidate(None)])
    table, account = read(tmp_path / "a.avro", container([record], schema=schema))
    assert sorted(table["kind"].to_pylist()) == [0, 0, 1]
    assert account["priors"]["in"] == 3
    assert account["priors"]["rejected"] == {"wrong_type": 1}


def test_a_candidate_that_is_null(tmp_path):
    record = packet(1)
    record["candidate"] = None
    _, account = read(tmp_path / "a.avro", container([record], schema=ztf_schema(candidate_null=True)))
    assert sum(reasons(account).values()) == 1


def test_identifier_of_the_candidate_serves_where_the_packet_has_none(tmp_path):
    schema = ztf_schema(top_candid=False)
    table, _ = read(tmp_path / "a.avro", container([packet(7, top=None)], schema=schema))
    assert table["alert_id"].to_pylist() == [7]


def test_two_identifiers_that_differ(tmp_path):
    table, account = read(tmp_path / "a.avro", container([packet(7, top=8), packet(9)]))
    assert table["alert_id"].to_pylist() == [9]
    assert reasons(account) == {"bad_id": 1}


def test_messages_with_a_schema_number(tmp_path):
    import fastavro

    folder = tmp_path / "schemas"
    folder.mkdir()
    schema = ztf_schema()
    (folder / "703.avsc").write_text(json.dumps(schema))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, fastavro.parse_schema(schema), packet(42))
    message = b"\x00" + (703).to_bytes(4, "big") + body.getvalue()
    table, _ = read(tmp_path / "m.avro", message, schemas=folder)
    assert table["alert_id"].to_pylist() == [42]
    _, account = read(tmp_path / "m.avro", b"\x00" + (9).to_bytes(4, "big") + body.getvalue(), schemas=folder)
    assert reasons(account) == {"unknown_schema": 1}
    _, account = read(tmp_path / "m.avro", message[:30], schemas=folder)
    assert sum(reasons(account).values()) == 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damage_raises_and_no_packet_is_uncounted(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damage")
    codec = data.draw(st.sampled_from(CODECS))
    whole = bytearray(container([packet(k, ra=10.0 + k) for k in range(1, 6)], codec, sync_interval=1))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    table = read_packets(write(folder / "a.avro", bytes(whole[:cut])), simulated=True)
    packets = account_of(table)["packets"]
    assert packets["in"] == packets["out"] + packets["duplicates"] + sum(packets["rejected"].values())


def test_quarantine_copies_small_packets(tmp_path):
    from ephemera.alerts.decoder import Decoder

    write(tmp_path / "a.avro", b"no packet")
    decoder = Decoder()
    assert list(decoder.tables([tmp_path / "a.avro"])) == []
    row = decoder.quarantine[0]
    assert row["packet"] == row["head"] == b"no packet"
    assert (row["stage"], row["reason"], row["size"]) == ("open", "not_avro", 9)


def test_a_packet_that_is_refused_after_decoding_is_copied_too(tmp_path):
    from ephemera.alerts.decoder import Decoder

    one = container([packet(7, dec=99.0)], "snappy")
    write(tmp_path / "one.avro", one)
    write(tmp_path / "three.avro", container([packet(1), packet(8, jd=1.0), packet(2)], "null"))
    (tmp_path / "alerce.csv").write_text("oid,candid,mjd,fid,ra,dec,magpsf\nZTF1,5,59000.1,1,10,-95,18\n")
    decoder = Decoder()
    assert sum(len(table) for table in decoder.tables(sorted(tmp_path.iterdir()))) == 2
    rows = {row["file"]: row for row in decoder.quarantine}
    assert {name: (row["stage"], row["reason"]) for name, row in rows.items()} == {
        "one.avro": ("range", "bad_position"),
        "three.avro": ("range", "bad_time"),
        "alerce.csv": ("range", "bad_position"),
    }
    for name, number in (("one.avro", 7), ("three.avro", 8)):
        row = rows[name]
        again = fastavro.schemaless_reader(
            io.BytesIO(row["packet"]), fastavro.parse_schema(ztf_schema()), None
        )
        assert again["candid"] == number
        assert row["size"] == len(row["packet"])
        assert row["head"] == row["packet"][:64]
    assert json.loads(rows["alerce.csv"]["packet"])["candid"] == "5"


def test_chunks_are_bounded_in_bytes(tmp_path, monkeypatch):
    from ephemera.alerts import decoder

    write(tmp_path / "a.avro", container([packet(k) for k in range(1, 31)]))
    monkeypatch.setattr(decoder, "CHUNK_BYTES", 500)
    tables = list(decoder.Decoder().tables([tmp_path / "a.avro"]))
    assert len(tables) == 5
    assert sum(map(len, tables)) == 30
