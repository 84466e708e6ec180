"""What to ask a switch that has just connected, and what its answers mean."""

from __future__ import annotations

from typing import FrozenSet, List, Mapping, NamedTuple

from . import queries
from .decode import group_entries
from .encode import BUNDLE_DISCARD, BUNDLE_OPEN, EPOCH_MASK, TABLES_MASK, bundle_control
from .spec import COOKIE_BITS

_GROUPS, _ALL, _FOREIGN, _SAME_EPOCH, _SAME_TABLES, _OPEN, _DISCARD = range(7)


class Found(NamedTuple):
    """``rows`` on the switch in all; ``ours`` is True when some are of an earlier run; ``epoch_used`` when some have
    just the epoch that was asked about; ``same_tables`` when all of ours were written for the same numbering of tables."""

    rows: int
    ours: bool
    epoch_used: bool
    same_tables: bool
    groups: FrozenSet[int]
    bundles: bool


def questions(epoch: int, bundles: bool) -> List[bytes]:
    """Return the messages that find out what a switch holds.

    :param epoch: the one to use if the switch has none of it
    :param bundles: ask also whether bundles are accepted
    """
    cookie = epoch << COOKIE_BITS
    messages = [
        queries.group_dump(),
        queries.flow_count(),
        queries.flow_count(cookie=0, mask=EPOCH_MASK),
        queries.flow_count(cookie=cookie, mask=EPOCH_MASK),
        queries.flow_count(cookie=cookie, mask=TABLES_MASK),
    ]
    if bundles:
        messages += [bundle_control(1, BUNDLE_OPEN), bundle_control(1, BUNDLE_DISCARD)]
    return messages


def answers(errors: Mapping[int, str], replies: Mapping[int, bytes], bundles: bool) -> Found:
    """Return what the answers to :func:`questions` mean.

    :param errors: index of a message -> why it was refused
    :param replies: index of a message -> body of its multipart reply
    :raises WireError: an answer cannot be read
    """
    count = {index: queries.counted(replies[index]) for index in range(_ALL, _OPEN) if index in replies}
    rows = count.get(_ALL, 0)
    ours = rows - count.get(_FOREIGN, 0)
    groups = frozenset(number for number, _, _ in group_entries(replies.get(_GROUPS, b"")))
    accepted = bundles and _OPEN not in errors and _DISCARD not in errors
    same_tables = ours == count.get(_SAME_TABLES, 0)
    return Found(rows, ours > 0, count.get(_SAME_EPOCH, 0) > 0, same_tables, groups, accepted)
