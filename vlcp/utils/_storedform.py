"""The JSON text of stored values (behaviour of the original: "Value serialization").

A special value is an object with the single name ``<vlcpjsonencode/MODULE.CLASS>``. Encoding
is done by hand instead of through ``json.dumps``: references keep their encoded text, so a
set with thousands of members costs one ``str.join``.

What is read from a database is hostile. Only classes that announced themselves with
:func:`register` are ever created, and nesting is bounded.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii as _quote
from typing import Any, Callable, Dict, List
from urllib.parse import quote_from_bytes, unquote_to_bytes

_HEAD = "<vlcpjsonencode/"
_TAIL = ">"
_BYTES = "urlencoded-bytes"

MAX_DEPTH = 60
"""Deepest nesting that is encoded or decoded."""

_decoders: Dict[str, Callable[[Any], Any]] = {}
_encoders: Dict[type, Callable[[Any], str]] = {
    str: _quote,
    int: int.__repr__,
    bool: lambda value: "true" if value else "false",
    type(None): lambda value: "null",
    float: json.dumps,
}
"Types whose values never change, and their text."
_unknown_kept = False


def register(path: str, decode: Callable[[Any], Any]) -> None:
    """Let stored values of the type ``path`` (``module.Class``) be created by ``decode(data)``.

    A later call with the same path replaces the earlier one: a reloaded module brings new classes.
    """
    _decoders[path] = decode


def register_unchangeable(cls: type, encode_one: Callable[[Any], str]) -> None:
    """Tell that objects of ``cls`` never change, so that copies can share them; ``encode_one`` gives their text."""
    _encoders[cls] = encode_one


def tag(path: str) -> str:
    """Return the name that marks a value of the type ``path``."""
    return _HEAD + path + _TAIL


def encode(value: Any) -> str:
    """Return the stored JSON text of ``value``.

    :param value: None, bool, int, float, str, bytes, list, tuple, dict with str keys, or an object with
                  ``json_text()`` (returns its finished text) or ``jsonencode()``
    :raises ValueError: ``value`` holds something else, or is nested deeper than :data:`MAX_DEPTH`
    """
    return _encode(value, 0)


def _encode(value: Any, depth: int) -> str:
    kind = type(value)
    encoder = _encoders.get(kind)
    if encoder is not None:
        return encoder(value)
    if depth > MAX_DEPTH:
        raise ValueError("value is nested deeper than %d levels" % (MAX_DEPTH,))
    if hasattr(kind, "json_text"):
        return value.json_text()
    return _encode_container(value, depth + 1)


def _encode_container(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        return encode_dict(value, depth)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join([_encode(item, depth) for item in value]) + "]"
    if isinstance(value, (bytes, bytearray)):
        return '{"%s": "%s"}' % (tag(_BYTES), quote_from_bytes(bytes(value)))
    if hasattr(value, "jsonencode"):
        kind = type(value)
        path = "%s.%s" % (kind.__module__, kind.__name__)
        return "{%s: %s}" % (_quote(tag(path)), _encode(value.jsonencode(), depth))
    if isinstance(value, (str, int, float)):
        return json.dumps(value)
    raise ValueError("%s cannot be stored: %.200r" % (type(value).__name__, value))


def encode_dict(items: Dict[str, Any], depth: int = 0) -> str:
    """Return the text of a dictionary.

    :raises ValueError: a key is not a string, or a value cannot be stored
    """
    parts: List[str] = []
    for key, value in items.items():
        if not isinstance(key, str):
            raise ValueError("keys of a stored dictionary must be strings, got %.100r" % (key,))
        encoder = _encoders.get(type(value))
        parts.append(_quote(key) + ": " + (_encode(value, depth) if encoder is None else encoder(value)))
    return "{" + ", ".join(parts) + "}"


def decode(data: bytes) -> Any:
    """Return the value of a stored JSON text.

    :raises ValueError: the text is no JSON, is nested too deep, or names a class that is not registered
    """
    try:
        return json.loads(data, object_hook=decode_tagged)
    except RecursionError:
        raise ValueError("stored value is nested too deep") from None


def decode_tagged(found: Dict[str, Any]) -> Any:
    """Return what an object of JSON stands for, as the ``object_hook`` of ``json.loads``.

    :param found: the object; one whose single name is a tag becomes a value of the class that the tag names, others stay
    :raises ValueError: the class is not registered (its module may not be loaded), or refuses what the tag has
    """
    if len(found) != 1:
        return found
    (name,) = found
    if not (name.startswith(_HEAD) and name.endswith(_TAIL)):
        return found
    return decode_special(name[len(_HEAD) : -len(_TAIL)], found[name])


def decode_special(path: str, data: Any) -> Any:
    """Return the special value of type ``path``.

    :raises ValueError: the class is unknown (its module may not be loaded), or refuses ``data``
    """
    decoder = _decoders.get(path)
    if decoder is not None:
        return decoder(data)
    if path == _BYTES:
        if not isinstance(data, str):
            raise ValueError("%s: expected a string, got %.100r" % (_BYTES, data))
        return unquote_to_bytes(data)
    if "." not in path:
        raise ValueError("stored class %.200r: the name has no module" % (path,))
    if _unknown_kept:
        return Unknown(path, data)
    raise ValueError("stored class %.200r: no such data class is loaded" % (path,))


class Unknown:
    """A stored value of a class that is not loaded; it is only copied.

    :param path: ``module.Class``
    :param data: what is stored for it
    """

    def __init__(self, path: str, data: Any) -> None:
        self._path = path
        self._data = data

    def json_text(self) -> str:
        """Return the stored JSON text."""
        return "{%s: %s}" % (_quote(tag(self._path)), encode(self._data))

    def clone_instance(self) -> Unknown:
        """Return this value: nobody changes it."""
        return self


def keep_unknown(keep: bool = True) -> None:
    """Read values of classes that are not loaded as :class:`Unknown` from now on, for programs that copy databases.

    :param keep: False refuses them again
    """
    global _unknown_kept
    _unknown_kept = keep


def plain_copy(value: Any) -> Any:
    """Return a copy of ``value`` that shares no changeable part with it, as reading it back would give.

    Tuples become lists, as in JSON. Objects copy themselves with ``clone_instance()``; those without
    one are taken as unchangeable.
    """
    kind = type(value)
    if kind in _encoders:
        return value
    if kind is dict:
        shared = _encoders
        return {key: item if type(item) in shared else plain_copy(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [plain_copy(item) for item in value]
    clone = getattr(kind, "clone_instance", None)
    if clone is not None:
        return clone(value)
    if isinstance(value, bytearray):
        return bytes(value)
    return value


class StoredValueError(ValueError):
    """What the database holds under a key is no value that can be read.

    :ivar key: the key
    """

    def __init__(self, key: str, reason: str) -> None:
        super().__init__("%s: %s" % (key, reason))
        self.key = key
