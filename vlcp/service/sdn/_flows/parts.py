"""Rows by entity: a part is computed again only when its inputs changed.

A module yields a :class:`Part` for each entity that it has rows for (a port, a network, a route) and has one pure
function from a part to rows. Computing all parts from nothing gives the same rows, so no module has code for "added",
"changed" or "removed".
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, NamedTuple, Tuple

from .ledger import Ledger
from .spec import Row


class Part(NamedTuple):
    """An entity with rows: ``key`` names it, ``inputs`` is a frozen value with all that its rows depend on."""

    key: Any
    inputs: Any


class PartRows:
    """Keeps one module's parts in a ledger.

    :param ledger: the switch's account
    :param owner: service name of the module
    :param compute: pure; ``Part`` -> rows; called for parts whose inputs are new
    """

    def __init__(self, ledger: Ledger, owner: str, compute: Callable[[Part], Iterable[Row]]) -> None:
        self._ledger = ledger
        self._owner = owner
        self._compute = compute
        self._inputs: Dict[Any, Any] = {}

    def put(self, part: Part) -> bool:
        """Want the rows of one part; return True when rows changed. An error of ``compute`` keeps the old rows."""
        if part.key in self._inputs and self._inputs[part.key] == part.inputs:
            return False
        rows = tuple(self._compute(part))
        self._inputs[part.key] = part.inputs
        return self._ledger.want_part(self._owner, part.key, rows)

    def drop(self, key: Any) -> bool:
        """Want no rows of a part; return True when it had some."""
        if key not in self._inputs:
            return False
        del self._inputs[key]
        return self._ledger.want_part(self._owner, key, ())

    def replace(self, parts: Iterable[Part]) -> bool:
        """Want exactly the rows of these parts; return True when rows changed."""
        changed = False
        seen = set()
        for part in parts:
            seen.add(part.key)
            changed = self.put(part) or changed
        for key in [key for key in self._inputs if key not in seen]:
            changed = self.drop(key) or changed
        return changed

    def inputs(self, key: Any) -> Any:
        """Return the inputs of a part, None when there is no such part."""
        return self._inputs.get(key)

    def keys(self) -> Tuple[Any, ...]:
        """Return the keys of all parts."""
        return tuple(self._inputs)
