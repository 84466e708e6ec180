"""Encoders for streams: functions ``enc(data, is_eof)`` that turn one piece of data into another (manual 5.2.11)."""

from __future__ import annotations

import codecs
import zlib
from typing import Any, Callable, Optional

Encoder = Callable[[Any, bool], Any]

_GZIP = 16 + zlib.MAX_WBITS


def unicode_encoder(encoding: str, errors: str = "strict") -> Encoder:
    """Return an encoder from text to bytes.

    :raises LookupError: unknown encoding
    """
    encoder = codecs.getincrementalencoder(encoding)(errors)
    return encoder.encode


def unicode_decoder(encoding: str, errors: str = "strict") -> Encoder:
    """Return an encoder from bytes to text; characters may be cut anywhere.

    :raises LookupError: unknown encoding
    """
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    return decoder.decode


def deflate_encoder(level: Optional[int] = None) -> Encoder:
    """Return an encoder to the zlib format, which HTTP calls ``deflate``.

    :param level: 0 to 9; None for the library's choice
    """
    return _compressor(zlib.compressobj(-1 if level is None else level))


def deflate_decoder(wbits: Optional[int] = None) -> Encoder:
    """Return a decoder of the zlib format.

    :param wbits: window size as in :func:`zlib.decompressobj`; None for the default
    """
    return _decompressor(zlib.decompressobj(zlib.MAX_WBITS if wbits is None else wbits))


def gzip_encoder(fname: str = "tmp", level: int = 9) -> Encoder:
    """Return an encoder to the gzip format.

    :param fname: kept for callers that name a file; the name is not stored
    :param level: 0 to 9
    """
    return _compressor(zlib.compressobj(level, zlib.DEFLATED, _GZIP))


def gzip_decoder() -> Encoder:
    """Return a decoder of the gzip format."""
    return _decompressor(zlib.decompressobj(_GZIP))


def _compressor(compressor: Any) -> Encoder:
    def encode(data: bytes, is_eof: bool) -> bytes:
        packed = compressor.compress(data)
        return packed + (compressor.flush() if is_eof else compressor.flush(zlib.Z_SYNC_FLUSH) if data else b"")

    return encode


def _decompressor(decompressor: Any) -> Encoder:
    def decode(data: bytes, is_eof: bool) -> bytes:
        return decompressor.decompress(data) + (decompressor.flush() if is_eof else b"")

    return decode


str_encoder = unicode_encoder
str_decoder = unicode_decoder
