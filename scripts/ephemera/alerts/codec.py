"""Compression of blocks in Avro files: what can be read, what it needs, and how much may come of it."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ephemera.alerts.outcomes import PacketError, Reason, Stage

#: A few kilobytes can stand for any number of zeros: larger blocks are refused, bytes when expanded.
LARGEST_EXPANDED = 2**28
#: Modules that codecs need, and the packages that bring them.
CODEC_PACKAGES: Mapping[str, tuple[str, str]] = {
    "snappy": ("cramjam", "cramjam"),
    "zstandard": ("backports.zstd", "backports.zstd"),
}


class CodecMissingError(Exception):
    """A library for a compression codec is not installed; the message names the package."""


def require_codecs() -> None:
    """Raise CodecMissingError, naming the packages, unless every codec of the format can be read."""
    missing = []
    for codec, (module, package) in CODEC_PACKAGES.items():
        try:
            import_module(module)
        except ImportError:
            missing.append(f"{package} (codec {codec})")
    if missing:
        message = f"Avro packets may need {', '.join(missing)}, which is not installed: pip install it"
        raise CodecMissingError(message)


def decompressor(codec: str) -> Callable[[bytes], bytes]:
    """Function that expands a block to at most `LARGEST_EXPANDED` bytes.

    Raises PacketError for a codec that cannot be read.
    """
    if codec == "null":
        return bytes
    if codec == "deflate":
        return _streamed(lambda: zlib.decompressobj(-zlib.MAX_WBITS))
    if codec == "bzip2":
        return _streamed(bz2.BZ2Decompressor)
    if codec == "xz":
        return _streamed(lzma.LZMADecompressor)
    try:
        if codec == "snappy":
            return _snappy(import_module("cramjam").snappy)
        if codec == "zstandard":
            return _streamed(import_module("backports.zstd").ZstdDecompressor)
    except ImportError:
        package = CODEC_PACKAGES[codec][1]
        raise PacketError(Stage.CODEC, Reason.CODEC_MISSING, f"codec {codec} needs {package}") from None
    raise PacketError(Stage.CODEC, Reason.CODEC_MISSING, f"codec {codec!r} is not one that can be read")


def _streamed(make: Callable[[], Any]) -> Callable[[bytes], bytes]:
    """Expand with a decompressor of streams, which stops at a limit and knows where the stream ends."""

    def expand(data: bytes) -> bytes:
        stream = make()
        content: bytes = stream.decompress(data, LARGEST_EXPANDED)
        if len(content) >= LARGEST_EXPANDED:
            raise _too_large()
        if not stream.eof:
            message = "the compressed block ends early"
            raise EOFError(message)
        return content

    return expand


def _snappy(snappy: Any) -> Callable[[bytes], bytes]:
    def expand(data: bytes) -> bytes:
        compressed = data[:-4]  # the checksum follows
        if snappy.decompress_raw_len(compressed) >= LARGEST_EXPANDED:
            raise _too_large()
        return bytes(snappy.decompress_raw(compressed))

    return expand


def _too_large() -> PacketError:
    return PacketError(
        Stage.CODEC, Reason.OTHER, f"a block of more than {LARGEST_EXPANDED} bytes when expanded"
    )
