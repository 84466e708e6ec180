"""Paths of ZooKeeper nodes, and the node that a client sees as the root."""

from __future__ import annotations

from typing import Any, List

from vlcp.protocol.zookeeper import as_call, jute
from vlcp.utils import zookeeper as zk

_WATCH_KINDS = {
    zk.ZOO_EXISTS_OP: "exist",
    zk.ZOO_GETDATA_OP: "data",
    zk.ZOO_GETCHILDREN_OP: "child",
    zk.ZOO_GETCHILDREN2_OP: "child",
}
_WITH_PATH_IN_REPLY = (zk.ZOO_CREATE_OP, zk.ZOO_SYNC_OP)


class ZooKeeperIllegalPathException(ValueError):
    """A path of a request is not a path of a node."""


def check_path(path: str) -> str:
    """Return ``path``.

    :raises ZooKeeperIllegalPathException: it does not begin with a slash, ends with one, or has an empty or relative part
    """
    if path == "/":
        return path
    parts = path.split("/")
    if parts[0] or len(parts) < 2 or any(part in ("", ".", "..") or "\0" in part for part in parts[1:]):
        raise ZooKeeperIllegalPathException("illegal path of a node: %r" % (path,))
    return path


def _text(path: Any) -> str:
    return path.decode("utf-8") if isinstance(path, bytes) else path


class Chroot:
    """Maps paths to those below one node.

    :param path: the node, '/' for the real root; one slash too many at the end is ignored
    :raises ZooKeeperIllegalPathException: it is not a path
    """

    def __init__(self, path: str) -> None:
        text = "/" + path.strip("/")
        check_path(text)
        self.prefix = "" if text == "/" else text

    def parents(self) -> List[str]:
        """Return the node and the nodes above it, the highest first."""
        parts = self.prefix.split("/")[1:]
        return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]

    def outer(self, path: str) -> str:
        """Return the path as the server knows it.

        :raises ZooKeeperIllegalPathException: it is not a path
        """
        check_path(path)
        if path == "/":
            return self.prefix or "/"
        return self.prefix + path

    def inner(self, path: str) -> str:
        """Return the path as the user knows it; one outside stays as it is."""
        if self.prefix and path == self.prefix:
            return "/"
        if self.prefix and path.startswith(self.prefix + "/"):
            return path[len(self.prefix) :]
        return path

    def call(self, request: Any) -> Any:
        """Return the fast form of a request; a :class:`Call` has the server's paths already.

        :raises ZooKeeperIllegalPathException: a path of the request is wrong
        """
        if isinstance(request, jute.Call):
            return request
        parts = [part for part in request.requests if not part.done] if hasattr(request, "requests") else [request]
        parts = [part for part in parts if hasattr(part, "path")]
        given = [part.path for part in parts]
        try:
            for part in parts:
                part.path = self.outer(_text(part.path)).encode("utf-8")
            call = as_call(request)
            if getattr(request, "watch", False):
                call.watch, call.path = _WATCH_KINDS[call.kind], _text(request.path)
            return call
        finally:
            for part, path in zip(parts, given):
                part.path = path

    def response(self, kind: int, response: Any) -> Any:
        """Return a response with the user's paths."""
        if not self.prefix or isinstance(response, jute.Reply) or response.err != zk.ZOO_ERR_OK:
            return response
        if kind in _WITH_PATH_IN_REPLY:
            self._inner_path(response)
        elif kind == zk.ZOO_MULTI_OP:
            for part in response.responses:
                if part.type == zk.ZOO_CREATE_OP and not part.done:
                    self._inner_path(part)
        return response

    def _inner_path(self, record: Any) -> None:
        record.path = self.inner(_text(record.path)).encode("utf-8")
