"""What the readers of :mod:`vlcp.protocol._wire.http1` find: heads, pieces of bodies, ends."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Union

from vlcp.protocol._wire.http_headers import Fields


class RequestHead(NamedTuple):
    """A request up to its body.

    ``target`` is path and query as sent; ``host`` is empty when none is named; ``fields`` keep order, names in
    lower case; ``combined`` has one value a name. ``length`` is the number of body bytes or ``CHUNKED``;
    with 0 neither :class:`Body` nor :class:`End` follow.
    """

    method: bytes
    target: bytes
    host: bytes
    minor: int
    fields: Fields
    combined: Mapping[bytes, bytes]
    length: int
    keepalive: bool
    expects_continue: bool


class ResponseHead(NamedTuple):
    """A response up to its body; ``length`` as in :class:`RequestHead`, or ``UNTIL_CLOSE``.

    ``isfinal`` is False for interim responses (1xx). ``minor`` is -1 for an answer without a head (HTTP/0.9).
    """

    status: int
    reason: bytes
    minor: int
    fields: Fields
    combined: Mapping[bytes, bytes]
    length: int
    keepalive: bool
    isfinal: bool


class Body(NamedTuple):
    """A piece of a body."""

    data: bytes


class End(NamedTuple):
    """The end of a body, with the trailer fields of a chunked one."""

    trailers: Fields


Event = Union[RequestHead, ResponseHead, Body, End]
