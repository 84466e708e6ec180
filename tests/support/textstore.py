"""A database of stored texts that carries out transactions as ObjectDB does, and counts what they cost."""

from __future__ import annotations

import zlib
from typing import Any, Dict, Iterable, List, Set

from vlcp.service.kvdb._txn.attempt import Missing, attempt
from vlcp.service.kvdb._txn.indexes import run_transaction
from vlcp.service.kvdb._txn.mirror import Mirror
from vlcp.service.kvdb._txn.walk import Memo, run_walkers
from vlcp.utils.jsonencoder import decode_stored, encode_stored


class TextStore:
    """Texts by key.

    :param shared: write the form of VLCP 2
    :ivar reads: keys that the last transaction read
    :ivar writes: ``{key: stored text or None}`` of the last transaction
    :ivar rounds: how often the last transaction ran
    """

    def __init__(self, shared: bool = False) -> None:
        self.data: Dict[str, str] = {}
        self.shared = shared
        self.clock = 1000
        self.reads: Set[str] = set()
        self.writes: Dict[str, Any] = {}
        self.rounds = 0

    def get(self, key: str) -> Any:
        """Return the value of a key; None when there is none."""
        if key not in self.data:
            return None
        found = decode_stored(self.data[key].encode())
        if hasattr(found, "setkey"):
            found.setkey(key)
        return found

    def write(self, walker: Any, keys: Iterable[str] = ()) -> None:
        """Carry out a transaction."""
        wanted = dict.fromkeys(keys)
        for self.rounds in range(1, 50):
            self.clock += 1
            names = list(wanted)
            values = [self.get(key) for key in names]
            done = run_transaction(lambda snapshot, now: attempt(walker, snapshot), names, values, self.clock, self.shared)
            if isinstance(done, Missing):
                wanted.update(dict.fromkeys(sorted(done.keys)))
                continue
            self.reads = set(names)
            assert done.writes.keys() <= self.reads
            self.writes = {key: None if value is None else encode_stored(value) for key, value in done.writes.items()}
            for key, text in self.writes.items():
                if text is None:
                    self.data.pop(key, None)
                else:
                    self.data[key] = text
            return
        raise AssertionError("the transaction never had all keys")

    def walk(self, key: str, walker: Any) -> List[str]:
        """Run a read walker from one key; return what it saved."""
        mirror, wanted = Mirror(True), {key}
        for _ in range(50):
            mirror.advance({name: self.get(name) for name in wanted})
            result = run_walkers(mirror, [key], {key: walker}, Memo())
            if not result.missing:
                return result.saved
            wanted = result.missing
        raise AssertionError("the walker never had all keys")

    def members(self, key: str, attribute: str = "set") -> List[str]:
        """Return the keys, sorted, that a set in an object refers to."""
        found: List[str] = []

        def walker(name: str, value: Any, walk: Any, save: Any) -> None:
            found[:] = [] if value is None else sorted(ref.getkey() for ref in getattr(value, attribute).dataset())

        self.walk(key, walker)
        return found

    def entries(self, key: str, attribute: str) -> Dict[str, Any]:
        """Return the entries of a dictionary in an object."""
        found: Dict[str, Any] = {}

        def walker(name: str, value: Any, walk: Any, save: Any) -> None:
            found.clear()
            found.update(getattr(value, attribute).items())

        self.walk(key, walker)
        return found

    def cost(self) -> int:
        """Return how many bytes the last transaction wrote, compressed as stores do."""
        return sum(len(zlib.compress(text.encode(), 1)) for text in self.writes.values() if text is not None)
