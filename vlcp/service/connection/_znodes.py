"""Where ZooKeeperDB keeps what: pure names, paths and choices (behaviour of the original: "ZooKeeper").

A key is a node below ``/vlcp/kvdb``; each version of its value is a child ``data-<number>``, with no content for "deleted".
A transaction stands in line with an ephemeral child ``barrier<id>-<number>``, whose number ZooKeeper gives, and writes
the version with the number of its barrier.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

ROOT, KVDB, NOTIFIER, TMP = "/vlcp", "/vlcp/kvdb", "/vlcp/notifier", "/vlcp/tmp"
ALL, BYKEY, TIMER = "/vlcp/notifier/all", "/vlcp/notifier/bykey", "/vlcp/tmp/timer"
FIXED = (ROOT, KVDB, NOTIFIER, ALL, BYKEY, TMP, TIMER)
"""Nodes that must exist, in the order in which they are created."""

_FORBIDDEN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\uf8ff\ufff0-\uffff\U00010000-\U0010ffff]")
_ESCAPED = re.compile(r"\$(?:(?P<known>[_+$e])|x(?P<code>[0-9a-f]{1,6});)")
_PLAIN = {"_": "$", "+": "/", "$": "\\", "e": ""}
_DATA, _BARRIER, _NOTIFY = "data-", "barrier", "notify-"
_ORIGIN_DIGITS = 32
_SEQUENCE_DIGITS = 10


def escape(key: str) -> str:
    """Return the name of the node of a key.

    Characters that ZooKeeper refuses, and the names that it refuses, get an escape of ours: ``$x<hex>;`` and ``$e``.
    """
    name = key.replace("$", "$_").replace("/", "$+").replace("\\", "$$")
    if not name:
        return "$e"
    if name in (".", ".."):
        return name.replace(".", "$x2e;")
    return _FORBIDDEN.sub(lambda found: "$x%x;" % (ord(found.group()),), name)


def unescape(name: str) -> str:
    """Return the key of a node.

    :raises ValueError: an escape stands for no character
    """

    def plain(found: Any) -> str:
        known = found.group("known")
        return _PLAIN[known] if known else chr(int(found.group("code"), 16))

    return _ESCAPED.sub(plain, name)


class Layout:
    """Paths as the server knows them.

    :param prefix: the chroot, '' for none
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.kvdb = prefix + KVDB
        self.bykey = prefix + BYKEY
        self.all = prefix + ALL
        self.timer = prefix + TIMER

    def fixed(self) -> List[str]:
        """Return the nodes that must exist."""
        return [self.prefix + path for path in FIXED]

    def key(self, key: str) -> str:
        """Return the node of a key."""
        return "%s/%s" % (self.kvdb, escape(key))

    def channel(self, key: str) -> str:
        """Return the node below which changes of a key are notified."""
        return "%s/%s" % (self.bykey, escape(key))


class Child(NamedTuple):
    """A child of a key's node."""

    number: int
    name: str
    is_data: bool


def children(names: Iterable[str]) -> List[Child]:
    """Return the versions and barriers among the children of a key, the newest first; other names are left out."""
    found = []
    for name in names:
        is_data = name.startswith(_DATA)
        number = name[-_SEQUENCE_DIGITS:]
        if (is_data or name.startswith(_BARRIER)) and number.isdigit():
            found.append(Child(int(number), name, is_data))
    found.sort(reverse=True)
    return found


def versions(names: Iterable[str]) -> List[str]:
    """Return the names of the versions, the newest first."""
    return sorted((name for name in names if name.startswith(_DATA) and name[-_SEQUENCE_DIGITS:].isdigit()), reverse=True)


class Look(NamedTuple):
    """What a transaction finds before itself: the ``version`` it reads (None: there is none), or whom it waits for."""

    version: Optional[str]
    wait: Optional[str]
    head: Optional[str]
    """The first barrier in the line."""


def look(names: Sequence[str], own: int) -> Look:
    """Return what a transaction with the number ``own`` reads, or the barrier that it waits for."""
    # A key that changes often has hundreds of versions, so most calls must not look closely at all of them.
    last = max((name[-_SEQUENCE_DIGITS:] for name in names if name[-_SEQUENCE_DIGITS:] < _digits(own)), default="")
    if last.isdigit() and _DATA + last in names:
        return Look(_DATA + last, None, None)
    before = [child for child in children(names) if child.number < own]
    barriers = [child.name for child in before if not child.is_data]
    if not before:
        return Look(None, None, None)
    if before[0].is_data:
        return Look(before[0].name, None, None)
    return Look(None, before[0].name, barriers[-1])


def is_alone(names: Iterable[str], own: int) -> bool:
    """Return whether the barrier with the number ``own`` is the only one."""
    mine = _digits(own)
    return not any(name.startswith(_BARRIER) and not name.endswith(mine) for name in names)


def _digits(number: int) -> str:
    return "%0*d" % (_SEQUENCE_DIGITS, number)


def barrier_name(origin: str, number: int) -> str:
    """Return how the barriers of a transaction begin.

    :param origin: 32 hexadecimal digits of this process
    :param number: of the transaction
    """
    return "%s%s%010d-" % (_BARRIER, origin, number % 10**_SEQUENCE_DIGITS)


def origin_of(name: str) -> str:
    """Return the part of a barrier's name that is the same for all barriers of one process."""
    return name[: len(_BARRIER) + _ORIGIN_DIGITS]


def number_of(path: str) -> int:
    """Return the number that ZooKeeper gave to a sequential node."""
    return int(path[-_SEQUENCE_DIGITS:])


def data_name(number: int) -> str:
    """Return the name of the version with a number."""
    return "%s%010d" % (_DATA, number)


def notify_name(transactid: str) -> str:
    """Return how the node of a notification begins."""
    return "%s%s-" % (_NOTIFY, transactid)


def transaction_of(name: str) -> Optional[str]:
    """Return the id of the transaction that a notification is about; None for other names."""
    if not name.startswith(_NOTIFY):
        return None
    return name[len(_NOTIFY) :].rpartition("-")[0]


def recyclable(names: Iterable[str], ages: Dict[str, Tuple[float, int]], limit: float) -> List[str]:
    """Return the versions that nobody needs any more, in the order in which they are to be deleted.

    Of those older than ``limit`` all but the newest go, and that one too when it is empty; but not while a transaction
    with a lower number is under way, whose version would then be the newest.

    :param names: children of a key
    :param ages: ``{name: (age in seconds, bytes of content)}``; versions that are not in it stay
    :param limit: age in seconds
    """
    found = children(names)
    old = [child for child in found if child.is_data and ages.get(child.name, (0.0, 0))[0] > limit]
    if not old:
        return []
    newest = old[0]
    is_empty = not ages[newest.name][1]
    overtaken = any(not child.is_data and child.number < newest.number for child in found)
    gone = old if is_empty and not overtaken else old[1:]
    return [child.name for child in reversed(gone)]


def message(transactid: str, keys: Sequence[str], changed: Sequence[Optional[Sequence[Any]]]) -> Dict[str, Any]:
    """Return the content of a notification; ``changed`` are the new versions of the keys."""
    return {
        "id": transactid,
        "keys": [escape(key) for key in keys],
        "extrainfo": [None if version is None else list(version) for version in changed],
    }


class Heard(NamedTuple):
    """A notification as it was read."""

    transactid: str
    keys: Tuple[str, ...]
    versions: Optional[List[Any]]


def heard(content: Any) -> Heard:
    """Return what a notification says.

    :raises ValueError: it has not the form of :func:`message`
    """
    if not isinstance(content, dict):
        raise ValueError("notification is a %s" % (type(content).__name__,))
    transactid, names, changed = content.get("id"), content.get("keys"), content.get("extrainfo")
    if not isinstance(transactid, str) or not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ValueError("notification has no id or no keys")
    pairs = None
    if isinstance(changed, list) and len(changed) == len(names):
        pairs = [_version(one) for one in changed]
    return Heard(transactid, tuple(unescape(name) for name in names), pairs)


def _version(pair: Any) -> Optional[Tuple[int, int]]:
    if isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(part, int) for part in pair):
        return pair[0], pair[1]
    return None
