"""Kafka at both ends: streams sent to topics, and packets of a topic written to nightly files.

Both need the optional package confluent-kafka. Sending never harms the files: what a broker did not take is
listed in `resend.jsonl`. Receiving keeps its own offsets, written after the files: after a crash some
packets come twice, which the night drops as duplicates, and none is lost.

    python -m ephemera.alerts.kafka consume --servers HOST:PORT --topic T --folder F
    python -m ephemera.alerts.kafka resend  --servers HOST:PORT --list resend.jsonl
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import sys
import tarfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from ephemera.alerts.filters.contract import RESERVED_TAGS
from ephemera.files import atomic_path, json_text, write_text
from ephemera.sky.times import mjd_of_unix

log = logging.getLogger(__name__)

#: No stream has this name: no tag may be called so.
RESEND = f"{RESERVED_TAGS[0]}.jsonl"
OFFSETS = "offsets.json"
#: Packets that are held before they are written, bytes.
PART_BYTES = 256 * 2**20


class KafkaMissingError(Exception):
    """The package confluent-kafka is not installed."""


def client() -> Any:
    """The Kafka package. Raises KafkaMissingError."""
    try:
        return import_module("confluent_kafka")
    except ImportError:
        message = "confluent-kafka is not installed: run make install-extra EXTRA=kafka in the checkout"
        raise KafkaMissingError(message) from None


Message = tuple[str, str, str]


def send(
    messages: Iterable[Message], servers: str, timeout_s: float, options: Mapping[str, Any] | None = None
) -> list[Message]:
    """Send (topic, key, text) messages; returns those that were not acknowledged in time."""
    kafka = client()
    settings = {
        "bootstrap.servers": servers,
        "message.timeout.ms": max(int(timeout_s * 1000), 1),
        "enable.idempotence": False,
        "acks": "all",
        "log_level": 0,
        **(options or {}),
    }
    producer = kafka.Producer(settings)
    waiting: dict[int, Message] = {}

    def acknowledged(number: int) -> Any:
        def done(error: Any, _: Any) -> None:
            if error is None:
                waiting.pop(number, None)

        return done

    for number, (topic, key, text) in enumerate(messages):
        waiting[number] = topic, key, text
        while True:
            try:
                producer.produce(
                    topic, value=text.encode(), key=key.encode(), on_delivery=acknowledged(number)
                )
                break
            except BufferError:
                producer.poll(0.1)
            except kafka.KafkaException as error:
                log.warning("%s: %s", topic, error)
                break
        producer.poll(0)
    producer.flush(timeout_s)
    return [waiting[number] for number in sorted(waiting)]


def send_folder(folder: Path, servers: str, prefix: str, timeout_s: float) -> int:
    """Send the streams of a night, one topic per tag; returns how many messages are left to resend."""
    messages = [
        (prefix + path.stem, json.loads(line)["locus_id"], line)
        for path in sorted(folder.glob("*.jsonl"))
        if path.name != RESEND
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    try:
        left = send(messages, servers, timeout_s)
    except KafkaMissingError as error:
        log.error("%s", error)  # noqa: TRY400  the sentence says it all
        left = messages
    write_resend(folder / RESEND, left)
    return len(left)


def write_resend(path: Path, left: Sequence[Message]) -> None:
    """List messages that were not sent; no file when all were."""
    if not left:
        path.unlink(missing_ok=True)
        return
    lines = (json.dumps({"topic": t, "key": k, "value": v}, sort_keys=True) + "\n" for t, k, v in left)
    write_text(path, "".join(lines))


def resend(path: Path, servers: str, timeout_s: float) -> int:
    """Send what a list holds; the list then holds what is still left."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    left = send([(r["topic"], r["key"], r["value"]) for r in rows], servers, timeout_s)
    write_resend(path, left)
    return len(left)


def consume(
    servers: str, topics: Sequence[str], folder: Path, *, idle_s: float = 10.0, most: int = 100_000,
    options: Mapping[str, Any] | None = None,
) -> dict[str, int]:  # fmt: skip
    """Write new packets to `<folder>/<night>/<topic>.<partition>.<first offset>.tar`; returns them by night.

    The night is that of the message's time stamp. Ends when nothing came for `idle_s` or `most` came; writes
    whenever `PART_BYTES` came.
    """
    kafka = client()
    settings = {"bootstrap.servers": servers, "group.id": "ephemera", "enable.auto.commit": False,
                "auto.offset.reset": "earliest", "log_level": 0, **(options or {})}  # fmt: skip
    consumer = kafka.Consumer(settings)
    offsets = _offsets(folder / OFFSETS)
    counts: Counter[str] = Counter()
    try:
        places = []
        for topic in topics:
            for partition in sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions):
                start = offsets.get(f"{topic}.{partition}", kafka.OFFSET_BEGINNING)
                places.append(kafka.TopicPartition(topic, partition, start))
        consumer.assign(places)
        for messages in _parts(consumer, idle_s, most):
            counts += _write_nights(messages, folder)
            for topic, partition, offset, _, _ in messages:
                name = f"{topic}.{partition}"
                offsets[name] = max(offsets.get(name, 0), offset + 1)
            write_text(folder / OFFSETS, json_text(offsets))
    finally:
        consumer.close()
    return dict(counts)


_Received = tuple[str, int, int, float, bytes]


def _parts(consumer: Any, idle_s: float, most: int) -> Iterator[list[_Received]]:
    """Messages as (topic, partition, offset, MJD, bytes) until nothing comes any more, in parts."""
    part: list[_Received] = []
    size, left, last = 0, most, time.monotonic()
    while left > 0 and time.monotonic() - last < idle_s:
        for message in consumer.consume(min(1000, left), min(1.0, idle_s)):
            if message.error():
                log.warning("%s", message.error())
                continue
            last = time.monotonic()
            _, stamp = message.timestamp()
            mjd = mjd_of_unix(stamp / 1000)
            content = message.value() or b""
            part.append((message.topic(), message.partition(), message.offset(), mjd, content))
            size, left = size + len(content), left - 1
        if size >= PART_BYTES:
            yield part
            part, size, last = [], 0, time.monotonic()
    if part:
        yield part


def _write_nights(messages: Sequence[_Received], folder: Path) -> Counter[str]:
    """One tar file for each night, topic and partition, named by its first offset."""
    groups: defaultdict[tuple[int, str, int], list[_Received]] = defaultdict(list)
    for message in messages:
        groups[int(message[3] // 1), message[0], message[1]].append(message)
    counts: Counter[str] = Counter()
    for (night, topic, partition), mine in sorted(groups.items()):
        mine.sort(key=lambda message: message[2])
        path = folder / str(night) / f"{topic}.{partition}.{mine[0][2]}.tar"
        with atomic_path(path) as partial, tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
            for _, _, offset, _, content in mine:
                member = tarfile.TarInfo(f"{partition}-{offset}.avro")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        counts[str(night)] += len(mine)
    return counts


def _offsets(path: Path) -> dict[str, int]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def main(arguments: Sequence[str] | None = None) -> int:
    """Consume a topic or resend a list; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m ephemera.alerts.kafka", description="Kafka at both ends")
    commands = parser.add_subparsers(dest="command", required=True)
    reading = commands.add_parser("consume", help="write the packets of topics to nightly files")
    reading.add_argument("--topic", action="append", required=True, help="topic to read; may be repeated")
    reading.add_argument("--folder", type=Path, required=True, help="where nightly files are written")
    reading.add_argument("--idle", type=float, default=10.0, help="end when nothing came for this long [s]")
    reading.add_argument("--most", type=int, default=100_000, help="largest number of packets")
    again = commands.add_parser("resend", help="send what a stream could not send")
    again.add_argument("--list", type=Path, required=True, help="resend.jsonl of a stream")
    for command in (reading, again):
        command.add_argument("--servers", required=True, help="host:port of brokers, separated by commas")
    given = parser.parse_args(arguments)
    if given.command == "consume":
        counts = consume(given.servers, given.topic, given.folder, idle_s=given.idle, most=given.most)
        sys.stdout.write("".join(f"night {night}: {n} packets\n" for night, n in sorted(counts.items())))
        return 0
    left = resend(given.list, given.servers, 30.0)
    sys.stdout.write(f"{left} messages are left\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
