"""Values to stored bytes and back, for all stores (behaviour of the original: "Value serialization")."""

from __future__ import annotations

import pickle
import zlib
from typing import Any, Union

from vlcp.utils.jsonencoder import StoredValueError, decode_stored, encode_stored

MAX_VALUE = 64 * 1024 * 1024
"""Largest stored value in bytes, after inflating."""
_HEAD = b"\x78\x01"
_SHORT, _SHORT_WINDOW, _SHORT_MEMORY = 4096, 12, 5


class Codec:
    """Encodes and decodes values.

    :param serialize: ``'json'``, or ``'pickle'`` with ``allowpickle``
    :param deflate: compress values that are longer than ``deflateabove`` bytes
    :param pickleversion: a protocol number, ``'default'`` or ``'highest'``
    :param allowpickle: accept ``'pickle'``: whoever can write to the database can then run any program here
    :param deflateabove: shorter values are stored as they are; every reader accepts both
    :raises ValueError: the format is unknown or not allowed
    """

    def __init__(
        self,
        serialize: str = "json",
        deflate: bool = True,
        pickleversion: Union[int, str] = "default",
        allowpickle: bool = False,
        deflateabove: int = 0,
    ) -> None:
        if serialize not in ("json", "pickle"):
            raise ValueError("serialize must be 'json' or 'pickle', got %r" % (serialize,))
        if serialize == "pickle" and not allowpickle:
            raise ValueError("serialize='pickle' needs allowpickle=True: stored pickles can run any program")
        self._pickle = serialize == "pickle"
        protocols = {"default": pickle.DEFAULT_PROTOCOL, "highest": pickle.HIGHEST_PROTOCOL}
        self._protocol = protocols.get(pickleversion, pickleversion)
        self._deflate = deflate
        self._above = deflateabove

    def encode(self, value: Any) -> bytes:
        """Return the stored bytes, not compressed: :meth:`pack` does that, and may run in another thread.

        :raises ValueError: the value has no stored form, or is longer than :data:`MAX_VALUE`
        """
        data = pickle.dumps(value, self._protocol) if self._pickle else encode_stored(value).encode("ascii")
        if len(data) > MAX_VALUE:
            raise ValueError("value of %d bytes is longer than the limit of %d" % (len(data), MAX_VALUE))
        return data

    def pack(self, data: bytes) -> bytes:
        """Compress encoded bytes, if this codec does."""
        if not self._deflate or len(data) <= self._above:
            return data
        if len(data) > _SHORT:
            return zlib.compress(data, 1)
        # A small window is made in a fraction of the time. The head says that it is a large one, as other writers do.
        deflater = zlib.compressobj(1, zlib.DEFLATED, _SHORT_WINDOW, _SHORT_MEMORY)
        return _HEAD + (deflater.compress(data) + deflater.flush())[len(_HEAD) :]

    def decode(self, key: str, data: bytes) -> Any:
        """Return the value of stored bytes, compressed or not.

        :param key: for the error
        :raises StoredValueError: the bytes are damaged, too long, or name unknown classes
        """
        if not isinstance(data, bytes):
            raise StoredValueError(key, "expected bytes, got %s" % (type(data).__name__,))
        try:
            text = _inflate(data)
            return _unpickled(text) if self._pickle else decode_stored(text)
        except ValueError as error:
            raise StoredValueError(key, str(error)) from error


def _unpickled(text: bytes) -> Any:
    try:
        return pickle.loads(text)
    except Exception as error:
        # Which exceptions bad data causes depends on the interpreter, and on the classes in it.
        raise ValueError("bad pickle: %s" % (error,)) from error


def _inflate(data: bytes) -> bytes:
    if len(data) > MAX_VALUE:
        raise ValueError("stored value of %d bytes is longer than the limit of %d" % (len(data), MAX_VALUE))
    inflater = zlib.decompressobj()
    try:
        text = inflater.decompress(data, MAX_VALUE)
    except zlib.error:
        return data
    if inflater.unconsumed_tail:
        raise ValueError("stored value is longer than the limit of %d bytes" % (MAX_VALUE,))
    if not inflater.eof:
        return data
    return text
