"""From a request to the parameters of an API call, and from an exception to a status. No I/O."""

from __future__ import annotations

import ast
import ipaddress
import json
import re
from typing import Any, Collection, Dict, Mapping, Optional, Tuple, Type

from vlcp.server.module import ModuleLoadException
from vlcp.utils.dataobject import AlreadyExistsException
from vlcp.utils.exceptions import (
    APINotFoundException,
    APIParameterException,
    APIRejectedException,
    ModuleAPICallTimeoutException,
    StorageOutcomeUnknownException,
    StorageUnavailableException,
    TransactionFailedException,
    TransactionTimeoutException,
)
from vlcp.utils.jsonencoder import decode_tagged

LITERAL_SIZE = 1048576
LITERAL_DEPTH = 32

_TOKENS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\[\](){}]""", re.S)
_LONGEST_ERROR = 1000

_STATUS: Tuple[Tuple[Type[BaseException], int], ...] = (
    (APIParameterException, 400),
    (AlreadyExistsException, 409),
    (APINotFoundException, 404),
    (APIRejectedException, 404),
    (StorageUnavailableException, 503),
    (StorageOutcomeUnknownException, 503),
    (ModuleLoadException, 400),
    (ModuleAPICallTimeoutException, 504),
    (TransactionTimeoutException, 504),
    (TransactionFailedException, 503),
    (ValueError, 400),
)


def status_of(error: BaseException) -> int:
    """Return the status for what an API call raised: 4xx if the caller can mend it, else 5xx."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return 500


def one_line(error: BaseException) -> str:
    """Return the text of an exception on one line; its type if it has no text."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= _LONGEST_ERROR else text[:_LONGEST_ERROR] + "..."


def literal(text: str) -> Any:
    """Return the value of a Python literal: numbers, strings, bytes, True, False, None, and containers of them.

    :raises ValueError: it is no literal, is longer than :data:`LITERAL_SIZE`, or nested deeper than :data:`LITERAL_DEPTH`
    """
    if len(text) > LITERAL_SIZE:
        raise ValueError("literal is longer than %d characters, send JSON instead" % (LITERAL_SIZE,))
    depth = deepest = 0
    for token in _TOKENS.finditer(text):
        mark = token.group()
        if mark in "[({":
            depth += 1
            deepest = max(deepest, depth)
        elif mark in "])}":
            depth -= 1
    if deepest > LITERAL_DEPTH:
        raise ValueError("literal is nested deeper than %d levels" % (LITERAL_DEPTH,))
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise ValueError("not a Python literal: %.100s" % (text,)) from None


def extend_types(values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the parameters with each back-quoted text, also inside a list, as the value of its literal.

    :raises ValueError: a text that begins with a back-quote has none at its end or holds no literal; the message names
        the parameter
    """
    return {name: _extend(name, value) for name, value in values.items()}


def _extend(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_extend("%s[%d]" % (name, index), one) for index, one in enumerate(value)]
    if not isinstance(value, str) or not value.startswith("`"):
        return value
    if len(value) < 2 or not value.endswith("`"):
        raise ValueError("%s: back-quote is not closed" % (name,))
    try:
        return literal(value[1:-1])
    except ValueError as error:
        raise ValueError("%s: %s" % (name, error)) from None


def _no_constant(text: str) -> Any:
    raise ValueError("%s is not JSON" % (text,))


def parse_json(body: bytes, charset: Optional[str] = None) -> Dict[str, Any]:
    """Return the parameters in a JSON body; tagged objects in it become data objects and references.

    :param charset: encoding of the body; None for UTF-8
    :raises ValueError: it is not a JSON object, or a tag names no data class of a loaded module
    """
    try:
        value = json.loads(body.decode(charset or "utf-8"), parse_constant=_no_constant, object_hook=decode_tagged)
    except (ValueError, LookupError) as error:
        raise ValueError("bad JSON: %s" % (error,)) from None
    except RecursionError:
        raise ValueError("bad JSON: nested too deep") from None
    if not isinstance(value, dict):
        raise ValueError("JSON body must be an object with the parameters, got %s" % (type(value).__name__,))
    return value


def is_own_host(host: str, names: Collection[str]) -> bool:
    """Tell whether a Host header without its port is one of ``names`` or a loopback address.

    :param names: lower-case names and addresses; addresses without brackets
    """
    plain = host.lower().strip("[]").rstrip(".")
    if plain in names or plain == "localhost" or plain.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(plain).is_loopback
    except ValueError:
        return False


def is_other_site(host: str, origin: Optional[str], fetch_site: Optional[str]) -> bool:
    """Tell whether a browser sent the request for a page of another site.

    :param host: Host header with its port
    :param origin: Origin header, None if there is none
    :param fetch_site: Sec-Fetch-Site header, None if there is none
    """
    if fetch_site is not None and fetch_site.strip().lower() not in ("same-origin", "none"):
        return True
    if origin is None:
        return False
    scheme, _, authority = origin.strip().lower().partition("://")
    default = {"http": ":80", "https": ":443"}.get(scheme)
    return default is None or authority.removesuffix(default) != host.lower().removesuffix(default)
