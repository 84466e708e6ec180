"""A key-value store in the memory of this process (manual 3.2.4, 5.6.6)."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Dict, NamedTuple, Optional

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, proxy
from vlcp.utils.dataobject import escape_key, unescape_key

__all__ = ["Knowledge", "MemoryStorage", "escape_key", "return_self_updater", "unescape_key"]


class _Stored(NamedTuple):
    value: Any
    expires: Optional[float]
    "time of the scheduler; None for never"


@defaultconfig
class Knowledge(Module):
    """Simple store in memory, whose entries may expire. Modules keep here what is to survive their reload.

    A time-out is in seconds; None keeps the entry for ever, or for an existing entry keeps its time.
    None as a value removes the entry.
    """

    service = True
    _default_checkinterval = 300
    "Seconds between two removals of expired entries"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._entries: Dict[Any, _Stored] = {}
        self.apiroutine.main = self._sweep_expired  # type: ignore[method-assign]
        self.routines.append(self.apiroutine)
        names = ("get", "set", "delete", "mget", "mgetwithcache", "mset", "update", "mupdate")
        self.create_api(*[api(getattr(self, name)) for name in (*names, "updateall", "updateallwithtime")])

    async def _sweep_expired(self) -> None:
        while True:
            await self.apiroutine.wait_with_timeout(self.checkinterval)
            now = self.scheduler.current_time
            self._entries = {key: one for key, one in self._entries.items() if not _is_expired(one, now)}

    def _find(self, key: Any) -> Optional[_Stored]:
        found = self._entries.get(key)
        if found is not None and _is_expired(found, self.scheduler.current_time):
            del self._entries[key]
            return None
        return found

    def _store(self, key: Any, value: Any, timeout: Optional[float]) -> None:
        if value is None or (timeout is not None and timeout <= 0):
            self._entries.pop(key, None)
            return
        expires = None if timeout is None else self.scheduler.current_time + timeout
        self._entries[key] = _Stored(value, expires)

    def get(self, key, timeout=None):
        """Return the value of a key, None if there is none.

        :param timeout: None, or a new time-out for the entry
        """
        found = self._find(key)
        if found is None:
            return None
        if timeout is not None:
            self._store(key, found.value, timeout)
        return found.value

    def set(self, key, value, timeout=None):
        """Set the value of a key, with an optional time-out."""
        self._store(key, value, timeout)

    def delete(self, key):
        """Delete a key, if it is there."""
        self._entries.pop(key, None)

    def mget(self, keys):
        """Return the values of several keys, None where there is none."""
        return [self.get(key) for key in keys]

    def mgetwithcache(self, keys, cache=None):
        """Return ``(values, cache)``; values that did not change are the same objects as before.

        :param cache: what the last call returned, or None
        """
        return self.mget(keys), cache

    def mset(self, kvpairs, timeout=None):
        """Set the values of several keys, given as a list of ``(key, value)``."""
        for key, value in kvpairs:
            self._store(key, value, timeout)

    def update(self, key, updater, timeout=None):
        """Replace the value of a key and return the new one.

        :param updater: ``updater(key, value)`` returns the new value, None to delete; the value is None if there is none
        :param timeout: None for no time-out
        :raises Exception: what the updater raises; nothing is changed then
        """
        return self.mupdate([key], updater, timeout)[0]

    def mupdate(self, keys, updater, timeout=None):
        """Replace the values of several keys, each as :meth:`update` does, and return the new ones; all or none."""
        values = [updater(key, value) for key, value in zip(keys, self.mget(keys))]
        self.mset(zip(keys, values), timeout)
        return values

    def updateall(self, keys, updater, timeout=None):
        """Replace the values of several keys at once; all or none.

        :param updater: ``updater(keys, values)`` returns ``(keys, values)`` to store
        :return: what the updater returned
        :raises Exception: what the updater raises; nothing is changed then
        """
        new_keys, new_values = updater(keys, self.mget(keys))
        self.mset(zip(new_keys, new_values), timeout)
        return new_keys, new_values

    def updateallwithtime(self, keys, updater, timeout=None):
        """Replace the values of several keys as :meth:`updateall` does, by ``updater(keys, values, timestamp)``.

        The time stamp is the present time in microseconds since the epoch.
        """
        timestamp = int(time.time() * 1000000)
        return self.updateall(keys, lambda names, values: updater(names, values, timestamp), timeout)


def _is_expired(entry: _Stored, now: float) -> bool:
    return entry.expires is not None and entry.expires <= now


def return_self_updater(func: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Make an updater of a function that changes a value in place.

    :param func: called with the key and the value
    :return: a function that calls ``func`` and returns the value
    """

    @functools.wraps(func)
    def updater(key: Any, value: Any) -> Any:
        func(key, value)
        return value

    return updater


MemoryStorage = proxy("MemoryStorage", Knowledge)
