"""The bytes around compressed data in a gzip file (RFC 1952)."""

from __future__ import annotations

import struct

_DEFLATE, _HAS_NAME, _UNKNOWN_SYSTEM = 8, 8, 255


def gzip_header(fname: str = "", mtime: int = 0) -> bytes:
    """Return what stands before the data, which is in the bare deflate format.

    :param fname: name of the file that is compressed, without a directory; empty for none
    :param mtime: when it was changed, in seconds since 1970; 0 for unknown
    :raises ValueError: the name has characters outside of ISO 8859-1, or NUL
    """
    name = fname.encode("latin-1")
    if b"\0" in name:
        raise ValueError("NUL in the name of a file: %r" % (fname,))
    fixed = struct.pack("<BBBBLBB", 0x1F, 0x8B, _DEFLATE, _HAS_NAME if name else 0, mtime & 0xFFFFFFFF, 0, _UNKNOWN_SYSTEM)
    return fixed + (name + b"\0" if name else b"")


def gzip_trailer(crc: int, size: int) -> bytes:
    """Return what stands behind the data.

    :param crc: :func:`zlib.crc32` of all that was compressed
    :param size: number of its bytes
    """
    return struct.pack("<LL", crc & 0xFFFFFFFF, size & 0xFFFFFFFF)
