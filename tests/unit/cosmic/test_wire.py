"""Pointers followed by hand: right in every layout, and never outside the message."""

import struct

import numpy as np
import pytest

from builders.cosmic_files import fields_of, file_of, hit_bytes, signal_of, stamp_bytes, voltages_of
from ephemera.cosmic.flags import BadMessage, Flag, Rejected
from ephemera.cosmic.frames import index_frames, read_frame
from ephemera.cosmic.hit_messages import decode_hits
from ephemera.cosmic.schema import schema
from ephemera.cosmic.simulate_messages import far_pointer, list_pointer, message, struct_pointer
from ephemera.cosmic.stamp import read_stamps
from ephemera.cosmic.stamp_messages import check_dimensions, read_metadata, voltages_at
from ephemera.cosmic.wire import FOUR_BYTES, follow, list_at, root, struct_at


def frame_of(content):
    return memoryview(content), read_frame(memoryview(content), 0, 0)


def words(*values):
    return struct.pack(f"<{len(values)}Q", *values)


@pytest.mark.parametrize("layout", ["one", "far", "double_far"])
def test_voltages_are_found_in_every_layout(layout):
    voltages = voltages_of((4, 50, 2, 3))
    buffer, frame = frame_of(stamp_bytes(voltages, layout=layout))
    metadata = read_metadata(buffer, frame)
    found = voltages_at(buffer, check_dimensions(buffer, frame, metadata), metadata)
    np.testing.assert_array_equal(found, voltages)
    assert not found.flags.writeable


def test_messages_written_by_pycapnp_are_read(tmp_path):
    """pycapnp lays a stamp out in segments of its own choice, with the list behind a far pointer."""
    voltages = voltages_of((4, 400, 2, 10))
    stamp = schema("stamp").Stamp.new_message()
    for name, value in fields_of(obsid="observation:1").items():
        setattr(stamp, name, value)
    sizes = ("numTimesteps", "numChannels", "numPolarizations", "numAntennas")
    for name, value in zip(sizes, voltages.shape, strict=True):
        setattr(stamp, name, value)
    for name, value in signal_of(48, 5, 4).items():
        setattr(stamp.signal, name, value)
    stamp.data = voltages.reshape(-1).view(np.float32).tolist()
    path = file_of(tmp_path / "x.stamps", *[stamp.to_bytes()] * 2)
    assert len(index_frames(memoryview(path.read_bytes())).frames[0].segments) > 1
    found = list(read_stamps(path))
    assert len(found) == 2
    for each in found:
        np.testing.assert_array_equal(each.voltages, voltages)
        assert each.metadata.obsid == "observation:1"
        assert each.metadata.signal.driftSteps == 5


def test_what_we_write_pycapnp_reads():
    with schema("stamp").Stamp.from_bytes(stamp_bytes(sourceName="abc")) as stamp:
        assert stamp.sourceName == "abc"
        assert stamp.numChannels == 96
        assert stamp.signal.index == 155928
    with schema("hit").Hit.from_bytes(hit_bytes(sourceName="abc")) as hit:
        assert hit.filterbank.sourceName == "abc"
        assert len(hit.filterbank.data) == 16 * 96


@pytest.mark.parametrize(
    ("pointer", "what"),
    [
        (struct_pointer(100, 1, 0), "outside, after the end"),
        (struct_pointer(-5, 1, 0), "outside, before the start"),
        (struct_pointer(0, 65535, 65535), "longer than the segment"),
        (far_pointer(7, 0), "no such segment"),
        (far_pointer(0, 900), "landing pad outside"),
        (far_pointer(0, 900, double=True), "double landing pad outside"),
        (far_pointer(0, 0), "far pointer to itself"),
        (far_pointer(0, 0, double=True), "double far pointer to itself"),
        (list_pointer(0, FOUR_BYTES, 2), "a list where a struct must be"),
        (3, "a capability"),
    ],
)
def test_bad_root_pointers_are_named(pointer, what):
    buffer, frame = frame_of(message(words(pointer, 0, 0)))
    with pytest.raises(BadMessage):
        root(buffer, frame)


@pytest.mark.parametrize("code", [0, 1, 2, 3, 5, 6, 7])
def test_a_list_of_another_size_is_not_taken_for_numbers(code):
    buffer, frame = frame_of(message(words(list_pointer(0, code, 1), 0)))
    with pytest.raises(BadMessage) as caught:
        list_at(buffer, frame, 0, 0, FOUR_BYTES)
    assert caught.value.flag is Flag.WRONG_SCHEMA


def test_a_list_longer_than_its_segment():
    buffer, frame = frame_of(message(words(list_pointer(0, FOUR_BYTES, 1 << 28), 0)))
    with pytest.raises(BadMessage) as caught:
        list_at(buffer, frame, 0, 0, FOUR_BYTES)
    assert caught.value.flag is Flag.BAD_FRAME


def test_null_pointers_are_nothing():
    buffer, frame = frame_of(message(words(0, 0)))
    assert follow(buffer, frame, 0, 0) is None
    assert struct_at(buffer, frame, 0, 0) is None
    assert list_at(buffer, frame, 0, 0, FOUR_BYTES) is None
    with pytest.raises(BadMessage, match="empty"):
        root(buffer, frame)


@pytest.mark.parametrize("layout", ["one", "far", "double_far"])
def test_no_damaged_word_brings_the_process_down(tmp_path, layout):
    """Every word of head and pads is replaced in turn by hostile values."""
    good = stamp_bytes(voltages_of((2, 50, 1, 3)), layout=layout)
    n_head = 16 + 8 * 45
    path = tmp_path / "x.stamps"
    refused = whole = 0
    for place in [*range(0, n_head, 8), *range(n_head, len(good), 8 * 40)]:
        for value in (0, 2**64 - 1, 0x7FFFFFFF00000001, far_pointer(1, 5, double=True), place):
            bad = bytearray(good)
            bad[place : place + 8] = struct.pack("<Q", value)
            path.write_bytes(bytes(bad))
            for found in read_stamps(path):
                refused += isinstance(found, Rejected)
                if not isinstance(found, Rejected):
                    whole += found.voltages.size > 0
                    _ = found.flags, found.path()
            decode_hits(memoryview(bad), index_frames(memoryview(bad)).frames)
    assert refused
    assert whole


def test_truncation_at_every_1000th_byte_never_crashes(tmp_path):
    content = stamp_bytes(voltages_of((4, 50, 2, 3))) * 3
    size = len(content) // 3
    path = tmp_path / "x.stamps"
    for end in range(0, len(content), 1000):
        path.write_bytes(content[:end])
        found = list(read_stamps(path))
        whole = [each for each in found if not isinstance(each, Rejected)]
        assert len(whole) == end // size
        assert [each.problem.flag for each in found[len(whole) :]] == [Flag.TRUNCATED] * bool(end % size)
