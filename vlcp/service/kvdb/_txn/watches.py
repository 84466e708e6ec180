"""Who watches which key."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List


class Watches:
    """Request ids by key and keys by request id; both in the order in which they came."""

    def __init__(self) -> None:
        self._by_key: Dict[str, Dict[Any, None]] = {}
        self._by_id: Dict[Any, Dict[str, None]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def add(self, requestid: Any, keys: Iterable[str]) -> None:
        """Let ``requestid`` watch ``keys``."""
        watched = self._by_id.setdefault(requestid, {})
        for key in keys:
            watched[key] = None
            self._by_key.setdefault(key, {})[requestid] = None
        if not watched:
            del self._by_id[requestid]

    def remove(self, requestid: Any, keys: Iterable[str]) -> None:
        """Let ``requestid`` watch ``keys`` no longer; keys that it does not watch are ignored."""
        watched = self._by_id.get(requestid)
        if watched is None:
            return
        for key in keys:
            if key in watched:
                del watched[key]
                watchers = self._by_key[key]
                del watchers[requestid]
                if not watchers:
                    del self._by_key[key]
        if not watched:
            del self._by_id[requestid]

    def remove_all(self, requestid: Any) -> None:
        """Let ``requestid`` watch nothing more."""
        self.remove(requestid, list(self._by_id.get(requestid, ())))

    def keys(self) -> List[str]:
        """Return all keys that are watched."""
        return list(self._by_key)

    def listing(self, requestid: Any = None) -> Dict[str, List[Any]]:
        """Return {key: request ids}, of all keys or of those that ``requestid`` watches."""
        keys: Iterable[str] = self._by_key if requestid is None else self._by_id.get(requestid, ())
        return {key: list(self._by_key[key]) for key in keys}
