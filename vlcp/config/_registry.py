"""Which settings exist: the classes that the decorators of :mod:`vlcp.config` have mapped.

Used to warn about keys of a configuration file that no class reads.
"""

from __future__ import annotations

import difflib
from typing import Any, Dict, List, NamedTuple, Optional, Set

DEFAULT_PREFIX = "_default_"

_mapped: Dict[str, Dict[str, Any]] = {}


class UnknownKey(NamedTuple):
    """A key below a known class that this class does not have."""

    key: str
    "the whole key as configured"
    nearest: Optional[str]
    "the whole key that was probably meant, None when nothing is similar"

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"unknown configuration key {self.key!r}{hint}"


def register(cls: Any) -> Any:
    """Remember a class under its ``configkey``; one that was imported again replaces its older self.

    :param cls: class with ``configkey``
    :return: the class
    """
    _mapped.setdefault(cls.configkey, {})[f"{cls.__module__}.{cls.__qualname__}"] = cls
    return cls


def configurable_classes() -> List[Any]:
    """Return the classes that the decorators have mapped, as far as their modules are imported."""
    return [cls for group in _mapped.values() for cls in group.values()]


def setting_names(cls: Any) -> Set[str]:
    """Return the names of all settings of a class: its defaults, plain class attributes and ``_extra_config``."""
    names: Set[str] = set()
    for parent in cls.__mro__[:-1]:
        names.update(parent.__dict__.get("_extra_config", ()))
        for name, value in parent.__dict__.items():
            if name.startswith(DEFAULT_PREFIX):
                names.add(name[len(DEFAULT_PREFIX) :])
            elif not name.startswith("_") and _is_plain(value):
                names.add(name)
    return names - {"configkey", "configbase"}


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, bytes, tuple, list, dict, set, frozenset))


def unknown_keys(manager: Any) -> List[UnknownKey]:
    """Return the configured keys that stand below a known class but are none of its settings.

    Only classes that are imported are known, so call this after the modules are loaded. Keys below names that no
    imported class has are not reported: they may belong to a module that this process does not use.

    :param manager: the :class:`~vlcp.config.config.Manager` to check
    """
    return [found for key in manager.config_keys(True) for found in [_check(key)] if found is not None]


def _check(key: str) -> Optional[UnknownKey]:
    owner, _, name = key.rpartition(".")
    while owner and owner not in _mapped:
        owner = owner.rpartition(".")[0]
        name = key[len(owner) + 1 :]
    if not owner:
        return None
    classes = _classes_reading(owner)
    plain = {cls.plain_setting(name) for cls in classes}
    known = set().union(*(setting_names(cls) for cls in classes))
    if any(_is_known(one, known) for one in plain):
        return None
    wanted = min(plain, key=len)
    close = difflib.get_close_matches(wanted, [n.rstrip(".") for n in known], 1)
    nearest = key[: len(key) - len(wanted)] + close[0] if close and key.endswith(wanted) else None
    return UnknownKey(key, nearest)


def _classes_reading(owner: str) -> List[Any]:
    own = list(_mapped[owner].values())
    if not owner.endswith(".default"):
        return own
    bases = tuple(own)
    return [cls for cls in configurable_classes() if issubclass(cls, bases)]


def _is_known(name: str, known: Set[str]) -> bool:
    parts = name.split(".")
    return name in known or any(".".join(parts[:n]) + "." in known for n in range(1, len(parts)))
