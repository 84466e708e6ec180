"""JSON for values that JSON does not know: the stored form, and the form for people and the Web API.

:func:`encode_default` and :meth:`JsonFormat.jsonencoder` are meant as the ``default`` function of
``json.dumps``; :func:`encode_stored` and :func:`decode_stored` are the quick way for whole values.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_from_bytes

import namedstruct

import vlcp.utils.growing  # noqa: F401  (registers the classes of large collections)
from vlcp.config import Configurable, config
from vlcp.utils._storedform import StoredValueError, decode_tagged, keep_unknown, plain_copy, tag
from vlcp.utils._storedform import decode as decode_stored
from vlcp.utils._storedform import encode as encode_stored
from vlcp.utils.dataobject import DataObject, DataObjectSet, ReferenceObject, WeakReferenceObject, dump

__all__ = [
    "JSONBytes",
    "JsonFormat",
    "StoredValueError",
    "decode_stored",
    "decode_tagged",
    "encode_default",
    "encode_stored",
    "keep_unknown",
    "plain_copy",
]


class JSONBytes:
    """Bytes that are finished JSON text; :func:`encode_default` passes them on as text.

    :param data: the bytes
    """

    def __init__(self, data: bytes) -> None:
        self.data = data


def encode_default(obj: Any) -> Any:
    """Return ``obj`` in the stored form, one level deep, for ``json.dumps(..., default=encode_default)``.

    :raises TypeError: ``obj`` has no stored form
    """
    if isinstance(obj, JSONBytes):
        return obj.data.decode("utf-8")
    if isinstance(obj, (bytes, bytearray)):
        return {tag("urlencoded-bytes"): quote_from_bytes(bytes(obj))}
    if hasattr(obj, "jsonencode"):
        kind = type(obj)
        return {tag("%s.%s" % (kind.__module__, kind.__name__)): obj.jsonencode()}
    raise TypeError("%s cannot be stored as JSON: %.200r" % (type(obj).__name__, obj))


@config("jsonformat")
class JsonFormat(Configurable):
    """Writes results of API calls as JSON for people and the Web API; what JSON does not know is shown, not stored"""

    _default_namedstruct = True
    "Show packets and OpenFlow messages (namedstruct) by their fields"
    _default_humanread = True
    "Show fields of packets with readable names, and long bytes by their length"
    _default_bytesdecode = "ascii"
    "Encoding that bytes are shown with; None shows them as Python writes them"
    _default_byteslimit = 256
    "Longer bytes are shown by their length, if humanread"
    _default_dumpextra = False
    "Show bytes of packets that no field covers"
    _default_dumptypeinfo = "flat"
    "How to show the type of packets: 'flat' or 'none'"
    _default_dataobject = True
    "Show data objects by their content"
    _default_dataattributes = True
    "Show the attributes of data objects; False shows type and key only"

    def jsonencoder(self, obj: Any) -> Any:
        """Return a value that ``json.dumps`` knows, for use as its ``default``.

        What has no better form is shown as Python writes it (``repr``).
        """
        if isinstance(obj, (bytes, bytearray)):
            return self._bytes(bytes(obj))
        if self.namedstruct and isinstance(obj, namedstruct.NamedStruct):
            return namedstruct.dump(obj, self.humanread, self.dumpextra, self._typeinfo())
        if self.dataobject and isinstance(obj, (DataObject, DataObjectSet, ReferenceObject, WeakReferenceObject)):
            return dump(obj, self.dataattributes)
        if isinstance(obj, (set, frozenset)):
            return list(obj)
        return repr(obj)

    def _typeinfo(self) -> Any:
        return namedstruct.DUMPTYPE_FLAT if self.dumptypeinfo == "flat" else namedstruct.DUMPTYPE_NONE

    def _bytes(self, data: bytes) -> str:
        if self.humanread and len(data) > self.byteslimit:
            return "<%d bytes...>" % (len(data),)
        if not self.bytesdecode:
            return repr(data)
        try:
            return data.decode(self.bytesdecode)
        except UnicodeDecodeError:
            return repr(data)
