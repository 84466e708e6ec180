"""A database of one dictionary, which runs walkers of ``writewalk`` as ObjectDB does: again and again until all keys are read."""

from __future__ import annotations

from vlcp.utils.dataobject import DataObject
from vlcp.utils.exceptions import WalkKeyNotRetrieved


class WalkDatabase:
    """Objects by key.

    :ivar rounds: how often the last walker ran
    """

    def __init__(self) -> None:
        self.objects: dict = {}
        self.rounds = 0

    def write(self, walker, keys=()):
        """Run a walker until it has all keys, then store what it wrote; an exception stores nothing."""
        known = set(keys)
        for self.rounds in range(1, 30):
            missing, copies, written = set(), {}, {}

            def walk(key):
                if key in written:
                    return written[key]
                if key not in known:
                    missing.add(key)
                    raise WalkKeyNotRetrieved(key)
                if key not in copies:
                    found = self.objects.get(key)
                    copies[key] = None if found is None else found.clone_instance()
                return copies[key]

            try:
                walker(walk, written.__setitem__)
            except WalkKeyNotRetrieved:
                known |= missing
                continue
            if missing:
                known |= missing
                continue
            for key, value in written.items():
                assert value is None or (isinstance(value, DataObject) and value.getkey() == key)
                if value is None:
                    self.objects.pop(key, None)
                else:
                    value.json_text()
                    self.objects[key] = value.clone_instance()
            return
        raise AssertionError("the walker never had all keys")

    def snapshot(self):
        """Return the stored text of every object."""
        return {key: value.json_text() for key, value in self.objects.items()}
