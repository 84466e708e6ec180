"""A dictionary that forgets what is not used (used as the ``cache`` of ``mgetwithcache``)."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Optional


class KVCache:
    """Values by key; :meth:`gc` keeps only the keys that are still wanted.

    :ivar mark: name of the last read with this cache, for :meth:`vlcp.utils.notifier.Notifier.heard`; None when the store
        gives it none
    """

    def __init__(self) -> None:
        self.mark: Optional[str] = None
        self._values: Dict[Any, Any] = {}

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of ``key``, or ``default``."""
        return self._values.get(key, default)

    def set(self, key: Any, value: Any) -> None:
        """Store ``value``; None forgets the key."""
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value

    def update(self, key: Any, oper: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Store and return ``oper(old value or None, *args, **kwargs)``."""
        value = oper(self._values.get(key), *args, **kwargs)
        self.set(key, value)
        return value

    def gc(self, keys: Iterable[Any]) -> None:
        """Forget every key that is not in ``keys``."""
        kept = set(keys)
        for key in [key for key in self._values if key not in kept]:
            del self._values[key]

    def __len__(self) -> int:
        return len(self._values)
