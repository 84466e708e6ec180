"""What transactions did, as records, and what may never be in such records: pure.

Two kinds of data are written. *Lists*: a transaction appends elements that nobody else ever appends, so that a list read
later tells who wrote and in which order; :mod:`support.cycles` searches the dependencies for cycles. *Accounts*: money is
moved between them, so that all of them together always have the same sum.

A transaction whose outcome is unknown may have happened or not. It happened if somebody has seen what it wrote; then it
counts as any other. One that failed must never be seen.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

OK, FAILED, UNKNOWN = "ok", "failed", "unknown"
CURRENT, PAST, LOOSE = "current", "past", "loose"


class Operation(NamedTuple):
    """One transaction.

    :param name: unique
    :param invoked: seconds on a clock that all processes share
    :param completed: as ``invoked``; None when the process ended before
    :param outcome: ``OK``, ``FAILED`` or ``UNKNOWN``
    :param reads: list read of each key, before the transaction's own appends
    :param appends: elements appended to each key, in order
    :param balances: balance read of each account
    :param moves: change of each account
    :param scope: ``CURRENT``; ``PAST`` for a read that may be of an older state of the database; ``LOOSE`` for one that only
        has to see each transaction as a whole, and never one list of an earlier state than was there when another was written
    :param stamp: the time stamp that the store gave, us
    :param what: how it was done, for people
    :param error: why it failed or is unknown
    """

    name: str
    invoked: float
    completed: Optional[float] = None
    outcome: str = OK
    reads: Dict[str, List[Any]] = {}
    appends: Dict[str, List[Any]] = {}
    balances: Dict[str, int] = {}
    moves: Dict[str, int] = {}
    scope: str = CURRENT
    stamp: Optional[int] = None
    what: str = ""
    error: str = ""


class Anomaly(NamedTuple):
    """Something that no serial order of the transactions explains.

    :param kind: its name
    :param text: what is wrong, for people
    :param names: operations that are involved
    """

    kind: str
    text: str
    names: Tuple[str, ...] = ()


def parse(lines: Iterable[str]) -> List[Operation]:
    """Return the operations of a log.

    Each line is a JSON object with ``name`` and parts of an :class:`Operation`; later lines of a name complete the former.
    One that was never completed is unknown. A last line that was cut off is left out.
    """
    found: Dict[str, Dict[str, Any]] = {}
    for line in lines:
        if not line.endswith("}\n"):
            continue
        record = json.loads(line)
        found.setdefault(record["name"], {"outcome": UNKNOWN}).update(record)
    return [Operation(**{name: record[name] for name in Operation._fields if name in record}) for record in found.values()]


def writers(operations: Iterable[Operation]) -> Dict[Any, Operation]:
    """Return the operation that appends each element.

    :raises ValueError: two append the same one: the history is of no use
    """
    found: Dict[Any, Operation] = {}
    for operation in operations:
        for elements in operation.appends.values():
            for element in elements:
                if element in found:
                    raise ValueError("%r is appended by %s and %s" % (element, found[element].name, operation.name))
                found[element] = operation
    return found


def happened(operations: Sequence[Operation]) -> List[Operation]:
    """Return the operations that are known to have been carried out: the successful, and the unknown that somebody saw."""
    seen = {
        element
        for operation in operations
        if operation.outcome == OK
        for elements in operation.reads.values()
        for element in elements
    }
    # What an unknown one saw counts only when it happened itself, but then all that it saw happened too.
    unknown = [operation for operation in operations if operation.outcome == UNKNOWN]
    found: Set[str] = set()
    grown = True
    while grown:
        grown = False
        for operation in unknown:
            if operation.name not in found and any(e in seen for es in operation.appends.values() for e in es):
                found.add(operation.name)
                seen.update(e for es in operation.reads.values() for e in es)
                grown = True
    return [operation for operation in operations if operation.outcome == OK or operation.name in found]


def check_reads(operations: Sequence[Operation]) -> List[Anomaly]:
    """Return what is wrong with single lists: elements twice, of nobody, of failed or half-done transactions.

    :param operations: all, also those that failed
    """
    wrote = writers(operations)
    found: List[Anomaly] = []
    for operation in happened(operations):
        for key, elements in operation.reads.items():
            found.extend(_check_list(operation, key, elements, wrote))
    return found


def _check_list(reader: Operation, key: str, elements: List[Any], wrote: Dict[Any, Operation]) -> List[Anomaly]:
    found = []
    present = set(elements)
    if len(present) < len(elements):
        twice = sorted({element for element in elements if elements.count(element) > 1})
        found.append(_anomaly("duplicated append", "%s read %r twice in %s" % (reader.name, twice, key), reader))
    for element in elements:
        writer = wrote.get(element)
        if writer is None or element not in writer.appends.get(key, ()):
            found.append(_anomaly("garbage", "%s read %r in %s, where nobody wrote it" % (reader.name, element, key), reader))
        elif writer.outcome == FAILED:
            text = "%s read %r of %s in %s, which failed" % (reader.name, element, writer.name, key)
            found.append(_anomaly("dirty read", text, reader, writer))
        elif writer is reader:
            text = "%s read its own %r in %s" % (reader.name, element, key)
            found.append(_anomaly("duplicated append", text, reader))
        elif not present.issuperset(writer.appends[key]):
            text = "%s read %r of %s in %s, but not all that it appends" % (reader.name, element, writer.name, key)
            found.append(_anomaly("intermediate read", text, reader, writer))
    return found


def check_updates(operations: Sequence[Operation]) -> List[Anomaly]:
    """Return pairs of transactions that read the same list and both appended to it: one of them is lost."""
    first: Dict[Tuple[str, Tuple[Any, ...]], Operation] = {}
    found = []
    for operation in happened(operations):
        for key in operation.appends.keys() & operation.reads.keys():
            other = first.setdefault((key, tuple(operation.reads[key])), operation)
            if other is not operation:
                text = "%s and %s appended to the same state of %s" % (other.name, operation.name, key)
                found.append(_anomaly("lost update", text, other, operation))
    return found


def check_bank(operations: Sequence[Operation], accounts: Iterable[str], total: int) -> List[Anomaly]:
    """Return reads of all accounts with another sum than ``total``.

    :param operations: those that read only some of ``accounts`` are passed over
    """
    wanted = set(accounts)
    found = []
    for operation in happened(operations):
        if wanted <= operation.balances.keys():
            balance = sum(operation.balances[account] for account in wanted)
            if balance != total:
                text = "%s read accounts that sum up to %d, not %d" % (operation.name, balance, total)
                found.append(_anomaly("torn read", text, operation))
    return found


def check_balances(operations: Sequence[Operation], before: Dict[str, int], after: Dict[str, int]) -> List[Anomaly]:
    """Return accounts whose balance is not what the transfers leave.

    Each transfer appends to some list too, and those lists are read at the end: so it is known which ones happened.

    :param before: balances before the first operation
    :param after: balances after the last one
    """
    expected = dict(before)
    for operation in happened(operations):
        for account, change in operation.moves.items():
            expected[account] += change
    return [
        Anomaly("wrong balance", "%s has %d, the transfers leave %d" % (account, after[account], balance))
        for account, balance in expected.items()
        if after[account] != balance
    ]


def check_stamps(operations: Sequence[Operation]) -> List[Anomaly]:
    """Return transactions whose time stamp is before that of one that was over when they began."""
    stamped = [op for op in operations if op.stamp is not None and op.outcome == OK and op.completed is not None]
    ends = sorted(stamped, key=lambda operation: operation.completed or 0)
    latest: Optional[Operation] = None
    found = []
    place = 0
    for operation in sorted(stamped, key=lambda operation: operation.invoked):
        while (ends[place].completed or 0) < operation.invoked:
            if latest is None or (ends[place].stamp or 0) > (latest.stamp or 0):
                latest = ends[place]
            place += 1
        if latest is not None and (operation.stamp or 0) <= (latest.stamp or 0):
            text = "%s got the time %s, %s before it %s" % (operation.name, operation.stamp, latest.name, latest.stamp)
            found.append(_anomaly("time goes back", text, latest, operation))
    return found


def _anomaly(kind: str, text: str, *operations: Operation) -> Anomaly:
    return Anomaly(kind, text, tuple(operation.name for operation in operations))
