"""One try of a read-write transaction on a snapshot (manual 4.4.5)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence, Set, Union

from vlcp.utils.exceptions import AsyncTransactionLockException, WalkKeyNotRetrieved
from vlcp.utils.growing import attach


class Done(NamedTuple):
    """The transaction wants to write ``writes`` ({key: value, or None to delete}); ``result`` is what it returned."""

    writes: Dict[str, Any]
    result: Any = None


class Missing(NamedTuple):
    """The transaction needs the values of further ``keys``; up to there it has written ``writes``."""

    keys: Set[str]
    writes: Mapping[str, Any] = {}


class Restart(NamedTuple):
    """The transaction wants to begin again, with ``info``."""

    info: Any


Outcome = Union[Done, Missing, Restart]
Body = Callable[[Dict[str, Any], Any], Outcome]
"A transaction as a function of (values by key, time stamp)."


class Overlay:
    """What a write walker sees: the snapshot, and over it what the walker wrote itself.

    :param snapshot: values by key
    """

    def __init__(self, snapshot: Dict[str, Any]) -> None:
        self._snapshot = snapshot
        self.writes: Dict[str, Any] = {}
        self.missing: Set[str] = set()

    def walk(self, key: str) -> Any:
        """Return the value of ``key``: the last one written, else that of the snapshot.

        :raises WalkKeyNotRetrieved: ``key`` is not in the snapshot
        """
        if key in self.writes:
            return self.writes[key]
        if key not in self._snapshot:
            self.missing.add(key)
            raise WalkKeyNotRetrieved(key)
        return attach(self._snapshot[key], self.walk, self.write)

    def write(self, key: str, value: Any) -> None:
        """Let the transaction write ``value``; None deletes."""
        self.writes[key] = value


def attempt(walker: Callable[..., Any], snapshot: Dict[str, Any], *timestamp: int) -> Outcome:
    """Run a write walker once.

    :param walker: ``walker(walk, write[, timestamp])``
    :param snapshot: values by key, which the walker may change
    :param timestamp: nothing, or the time of the store in us
    :raises Exception: what the walker raises, when it misses nothing
    """
    overlay = Overlay(snapshot)
    missing = Missing(overlay.missing, overlay.writes)
    try:
        result = walker(overlay.walk, overlay.write, *timestamp)
    except WalkKeyNotRetrieved as error:
        return missing if overlay.missing else Missing(set(error.args[:1]), overlay.writes)
    except AsyncTransactionLockException as error:
        return missing if overlay.missing else Restart(error.info)
    except Exception:
        if overlay.missing:
            return missing
        raise
    return missing if overlay.missing else Done(overlay.writes, result)


def run_updater(updater: Callable[..., Any], keys: Sequence[str], snapshot: Dict[str, Any], *timestamp: int) -> Outcome:
    """Run the updater of ``transact`` once.

    :param updater: ``updater(keys, values[, timestamp])`` returns (keys, values) to write
    :param keys: the keys that it expects, all in ``snapshot``
    :raises ValueError: it returns something else
    """
    overlay = Overlay(snapshot)
    try:
        result = updater(tuple(keys), [overlay.walk(key) for key in keys], *timestamp)
    except AsyncTransactionLockException as error:
        return Missing(overlay.missing) if overlay.missing else Restart(error.info)
    except Exception:
        if overlay.missing:
            return Missing(overlay.missing)
        raise
    if overlay.missing:
        return Missing(overlay.missing)
    try:
        written, values = result
        written, values = list(written), list(values)
    except (TypeError, ValueError):
        raise ValueError("an updater must return (keys, values), got %.200r" % (result,)) from None
    if len(written) != len(values):
        raise ValueError("an updater returned %d keys and %d values" % (len(written), len(values)))
    return Done({**overlay.writes, **dict(zip(written, values))}, result)
