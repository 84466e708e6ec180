"""Facts that a module has learned from packets: inputs of its rows with an end. Pure."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterator, List, NamedTuple, Optional, Tuple


class Fact(NamedTuple):
    """What was learned, and until when it holds (seconds, the caller's clock)."""

    value: Any
    until: float


class Learned:
    """Facts by key, at most ``limit``.

    :param limit: a new fact beyond it is not taken
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._facts: Dict[Hashable, Fact] = {}

    def put(self, key: Hashable, value: Any, until: float) -> bool:
        """Take or renew a fact; return False when there are too many."""
        if key not in self._facts and len(self._facts) >= self._limit:
            return False
        self._facts[key] = Fact(value, until)
        return True

    def get(self, key: Hashable) -> Optional[Any]:
        """Return the value of a fact, None when it is not known."""
        fact = self._facts.get(key)
        return None if fact is None else fact.value

    def forget(self, key: Hashable) -> bool:
        """Return True when there was such a fact."""
        return self._facts.pop(key, None) is not None

    def items(self) -> Iterator[Tuple[Hashable, Any]]:
        """Yield (key, value) of every fact; facts may be forgotten meanwhile."""
        yield from [(key, fact.value) for key, fact in self._facts.items()]

    def expire(self, now: float) -> List[Tuple[Hashable, Any]]:
        """Forget the facts that have ended, and return them."""
        ended = [(key, fact.value) for key, fact in self._facts.items() if fact.until <= now]
        for key, _ in ended:
            del self._facts[key]
        return ended

    def next_end(self) -> Optional[float]:
        """Return when the next fact ends, None without facts."""
        return min((fact.until for fact in self._facts.values()), default=None)

    def __len__(self) -> int:
        return len(self._facts)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._facts
