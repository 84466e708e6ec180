"""Which handler serves a request, and which arguments it gets. No I/O."""

from __future__ import annotations

import inspect
import re
from typing import Any, Callable, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

_PLAIN_PATH = re.compile(rb"[A-Za-z0-9_/%~:@!=,;&'\-]*")
_GROUP = re.compile(rb"\\(?:g<([^>]+)>|([1-9][0-9]?))")


class Route(NamedTuple):
    """A path pattern and who serves it; ``host`` and ``methods`` None for any."""

    pattern: Any
    host: Optional[bytes]
    methods: Optional[FrozenSet[bytes]]
    serve: Callable


class RouteTable:
    """Routes of one virtual host, in the order in which they were added; the first that fits counts."""

    def __init__(self) -> None:
        self._plain: Dict[bytes, List[Tuple[int, Route]]] = {}
        self._patterns: List[Tuple[int, Route]] = []
        self._count = 0

    def add(self, path: Union[bytes, str], route: Route) -> None:
        """Add a route.

        :param path: the text of ``route.pattern``
        """
        text = path.encode("utf-8") if isinstance(path, str) else path
        self._count += 1
        if _PLAIN_PATH.fullmatch(text):
            self._plain.setdefault(text, []).append((self._count, route))
        else:
            self._patterns.append((self._count, route))

    def find(self, host: bytes, path: bytes, method: bytes) -> Optional[Tuple[Route, Any]]:
        """Return (route, match object) for a request, or None.

        :param path: decoded path without query
        """
        best, number = None, self._count + 1
        for order, route in self._plain.get(path, ()):
            if fits(route, host, method):
                best, number = route, order
                break
        for order, route in self._patterns:
            if order > number:
                break
            match = route.pattern.fullmatch(path) if fits(route, host, method) else None
            if match is not None:
                return route, match
        return None if best is None else (best, best.pattern.fullmatch(path))


def fits(route: Route, host: bytes, method: bytes) -> bool:
    """Tell whether a route serves requests with this host and method."""
    if route.methods is not None and method not in route.methods:
        return False
    return route.host is None or same_host(route.host, host)


def same_host(wanted: bytes, host: bytes) -> bool:
    """Tell whether a Host header names ``wanted``, which may have a port or not."""
    host = host.lower()
    wanted = wanted.lower()
    return host == wanted or host_name(host) == wanted


def host_name(host: bytes) -> bytes:
    """Return a Host header without its port."""
    name, colon, port = host.rpartition(b":")
    return name if colon and (port.isdigit() or not port) else host


def method_set(method: Any) -> Optional[FrozenSet[bytes]]:
    """Return the methods of a route: None for any, bytes or text for one, or several of them."""
    if method is None:
        return None
    several = [method] if isinstance(method, (bytes, str)) else method
    return frozenset(one.encode("ascii") if isinstance(one, str) else one for one in several)


def expand(match: Any, template: bytes, quote: Callable[[bytes], bytes]) -> bytes:
    r"""Return ``template`` with ``\1`` and ``\g<name>`` replaced by the quoted groups of ``match``."""

    def group(found: Any) -> bytes:
        name = found.group(1)
        key: Union[int, str] = int(found.group(2)) if name is None else name.decode("ascii")
        if isinstance(key, str) and key.isdigit():
            key = int(key)
        return quote(match.group(key) or b"")

    return _GROUP.sub(group, template)


class ArgumentPlan:
    """Which arguments a handler takes after ``env``, read from its signature once.

    :param func: the handler; bound methods are fine
    :param matchargs: groups of the path to pass: numbers by position, names by keyword
    """

    def __init__(self, func: Callable, matchargs: Sequence[Union[int, str]] = ()) -> None:
        parameters = list(inspect.signature(func).parameters.values())[1:]
        self.positional = [group for group in matchargs if isinstance(group, int)]
        self.named = [group for group in matchargs if not isinstance(group, int)]
        plain = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        plain = plain[len(self.positional) :]
        self.names = [p.name for p in plain]
        self.required = [p.name for p in plain if p.default is p.empty]
        self.takes_extra = any(p.kind == p.VAR_KEYWORD for p in parameters)

    def bind(self, match: Any, sources: Mapping[str, Mapping[str, Any]], default: Mapping[str, Any]) -> Tuple[list, dict]:
        """Return (positional arguments, keyword arguments).

        :param sources: ``{argument: where its value is looked up}`` for arguments with a source of their own
        :param default: where all others are looked up
        :raises ValueError: a required argument is missing; the message names it
        """
        keywords: Dict[str, Any] = {}
        if self.takes_extra:
            keywords.update((name, value) for name, value in default.items() if name not in sources)
        else:
            keywords.update((n, default[n]) for n in self.names if n in default and n not in sources)
        for name, values in sources.items():
            if name in values:
                keywords[name] = values[name]
        for name in self.named:
            keywords[name] = match.group(name)
        missing = [name for name in self.required if name not in keywords]
        if missing:
            raise ValueError("missing argument %s" % (", ".join(missing),))
        return [match.group(number) for number in self.positional], keywords
