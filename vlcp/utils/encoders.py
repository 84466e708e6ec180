"""Encoders for streams: functions ``enc(data, is_eof)`` that turn one piece of data into another (manual 5.2.11)."""

from __future__ import annotations

import codecs
import zlib
from typing import Any, Callable, Optional

from vlcp.utils.gzipheader import gzip_header, gzip_trailer

Encoder = Callable[[Any, bool], Any]

_GZIP = 16 + zlib.MAX_WBITS
_MOST_AT_ONCE = 67108864
"bytes that one piece of compressed data may become"


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
    """Return a decoder of the zlib format; it raises OSError for data that is damaged or cut short.

    :param wbits: window size as in :func:`zlib.decompressobj`; None for the default, and then the bare deflate format is
        understood too, which some servers send as ``deflate`` (RFC 9110 8.4.1.2)
    """
    if wbits is not None:
        return _decompressor(lambda start: zlib.decompressobj(wbits))
    return _decompressor(lambda start: zlib.decompressobj(zlib.MAX_WBITS if start & 15 == 8 else -zlib.MAX_WBITS))


def gzip_encoder(fname: str = "tmp", level: int = 9) -> Encoder:
    """Return an encoder to the gzip format.

    :param fname: name that is stored for who unpacks the data as a file; ``'tmp'`` or empty stores none
    :param level: 0 to 9
    :raises ValueError: the name cannot be stored
    """
    if fname in ("", "tmp"):
        return _compressor(zlib.compressobj(level, zlib.DEFLATED, _GZIP))
    return _NamedGzip(fname, level)


class _NamedGzip:
    """Compresses pieces of data as a file with a name."""

    def __init__(self, fname: str, level: int) -> None:
        self._head = gzip_header(fname)
        self._compress = _compressor(zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS))
        self._crc = self._size = 0

    def __call__(self, data: bytes, is_eof: bool) -> bytes:
        head, self._head = self._head, b""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        packed = head + self._compress(data, is_eof)
        return packed + gzip_trailer(self._crc, self._size) if is_eof else packed


def gzip_decoder() -> Encoder:
    """Return a decoder of the gzip format; it raises OSError for data that is damaged or cut short.

    Several members one behind the other are one file (RFC 1952 2.2).
    """
    return _decompressor(lambda start: zlib.decompressobj(_GZIP), True)


def _compressor(compressor: Any) -> Encoder:
    def encode(data: bytes, is_eof: bool) -> bytes:
        packed = compressor.compress(data)
        return packed + (compressor.flush() if is_eof else compressor.flush(zlib.Z_SYNC_FLUSH) if data else b"")

    return encode


class _Decompressor:
    """Decompresses pieces of data.

    :param make: makes a decompressor from the first byte of the data
    :param members: compressed data may follow on compressed data
    """

    def __init__(self, make: Callable[[int], Any], members: bool) -> None:
        self._make = make
        self._members = members
        self._decompressor: Any = None

    def __call__(self, data: bytes, is_eof: bool) -> bytes:
        pieces = []
        try:
            while data:
                if self._decompressor is None:
                    self._decompressor = self._make(data[0])
                pieces.append(self._decompressor.decompress(data, _MOST_AT_ONCE))
                if self._decompressor.unconsumed_tail:
                    raise OSError("piece of compressed data becomes more than %d bytes" % (_MOST_AT_ONCE,))
                if not self._decompressor.eof:
                    break
                data = self._decompressor.unused_data if self._members else b""
                if self._members:
                    self._decompressor = None
        except zlib.error as error:
            raise OSError("compressed data is damaged: %s" % (error,)) from None
        if is_eof and self._decompressor is not None and not self._decompressor.eof:
            raise OSError("compressed data is cut short")
        return b"".join(pieces)


def _decompressor(make: Callable[[int], Any], members: bool = False) -> Encoder:
    return _Decompressor(make, members)


str_encoder = unicode_encoder
str_decoder = unicode_decoder
