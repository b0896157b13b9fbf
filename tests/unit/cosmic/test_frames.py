"""The index of frames: every whole message, and nothing that is not there."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.cosmic_files import hit_bytes, stamp_bytes
from ephemera.cosmic.flags import BadMessage, Flag
from ephemera.cosmic.frames import index_frames, read_frame


@pytest.mark.real_data
def test_messages_of_a_real_file(shared_data):
    content = memoryview((shared_data / "cosmic/voyager.hits").read_bytes())
    index = index_frames(content)
    assert [frame.offset for frame in index.frames] == [0, 7520, 15232, 22816, 30464]
    assert index.end == 38176
    assert index.problem is None
    assert all(len(frame.segments) == 1 for frame in index.frames)


def test_an_empty_file_has_no_messages_and_no_problem():
    assert index_frames(memoryview(b"")).frames == ()
    assert index_frames(memoryview(b"")).problem is None


@pytest.mark.parametrize("layout", ["one", "far", "double_far"])
def test_segments_of_each_layout(layout):
    content = stamp_bytes(layout=layout) * 2
    index = index_frames(memoryview(content))
    assert len(index.frames) == 2
    assert len(index.frames[0].segments) == {"one": 1, "far": 2, "double_far": 3}[layout]
    for frame in index.frames:
        start, words = frame.segments[-1]
        assert start + 8 * words == frame.offset + frame.size


def test_everything_before_a_cut_message_is_kept():
    one = hit_bytes()
    content = one * 3
    for end in range(0, len(content), 100):
        index = index_frames(memoryview(content[:end]))
        assert len(index.frames) == end // len(one)
        if end % len(one):
            assert index.problem.flag is Flag.TRUNCATED
            assert index.end == end // len(one) * len(one)
        else:
            assert index.problem is None


@pytest.mark.parametrize("segments", [513, 1 << 20, (1 << 32) - 1 + 1])
def test_more_segments_than_possible(segments):
    header = struct.pack("<II", (segments - 1) & 0xFFFFFFFF, 1)
    with pytest.raises(BadMessage, match="segments") as caught:
        read_frame(memoryview(header + bytes(4096)), 0, 0)
    assert caught.value.flag is Flag.BAD_FRAME


def test_a_message_above_the_limit_is_refused_before_the_end_is_looked_at():
    content = memoryview(stamp_bytes())
    problem = index_frames(content, max_message=1000).problem
    assert problem.flag is Flag.BAD_FRAME
    assert "1000 are allowed" in problem.detail


@given(st.binary(max_size=200))
def test_any_bytes_are_indexed_or_named(content):
    index = index_frames(memoryview(content))
    assert sum(frame.size for frame in index.frames) == index.end
    assert (index.problem is None) == (index.end == len(content))
