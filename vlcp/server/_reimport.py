"""Import changed Python modules again while the old code is still in use (manual 3.2.3)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any, Collection, Dict, Iterable, List, Mapping

from vlcp.utils.pycache import remove_cache


def import_trial(needed: Mapping[str, Collection[str]]) -> Dict[str, str]:
    """Import Python modules beside the loaded ones and throw the result away.

    Modules that import each other see each other's new code, so they should stand in the order of their imports.

    :param needed: ``{import name of a loaded Python module: classes that it must define}``
    :return: ``{import name: reason}`` of those that cannot be imported; empty when all can
    """
    kept: Dict[str, ModuleType] = {}
    errors: Dict[str, str] = {}
    try:
        for name, wanted in needed.items():
            kept[name] = sys.modules[name]
            try:
                fresh = _execute(name, kept[name])
                lacking = [one for one in wanted if not isinstance(getattr(fresh, one, None), type)]
                if lacking:
                    raise ImportError(f"has no class {', '.join(lacking)} any more")
                _replace(name, fresh)
            except Exception as exc:
                errors[name] = describe(exc)
                _replace(name, kept[name])
    finally:
        for name, module in kept.items():
            _replace(name, module)
    return errors


def _execute(name: str, old: ModuleType) -> ModuleType:
    source = getattr(old, "__file__", None)
    if source is None:
        raise ImportError("has no file to import again")
    remove_cache(old)
    locations = list(old.__path__) if hasattr(old, "__path__") else None
    spec = importlib.util.spec_from_file_location(name, source, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import {source!r}")
    fresh = importlib.util.module_from_spec(spec)
    _replace(name, fresh)
    spec.loader.exec_module(fresh)
    return fresh


def _replace(name: str, module: ModuleType) -> None:
    """Let ``import name`` and the attribute of the parent package give this module."""
    sys.modules[name] = module
    package, _, last = name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], last, module)


def import_again(name: str) -> ModuleType:
    """Import a loaded Python module again, in place: whoever holds the module sees the new code.

    :param name: import name
    :raises Exception: what the module raises when it is imported
    """
    module = sys.modules[name]
    remove_cache(module)
    return importlib.reload(module)


Snapshot = Dict[str, Dict[str, Any]]


def snapshot(names: Iterable[str]) -> Snapshot:
    """Return what loaded Python modules contain now, for :func:`restore`."""
    return {name: dict(vars(sys.modules[name])) for name in names}


def restore(kept: Snapshot) -> None:
    """Let Python modules contain what they did, and let who holds a class of the newer code hold the older one."""
    replaced = {}
    for name, content in kept.items():
        newer = {cls.__name__: cls for cls in classes_of(name)}
        namespace = vars(sys.modules[name])
        namespace.clear()
        namespace.update(content)
        replaced.update({newer[cls.__name__]: cls for cls in classes_of(name) if newer.get(cls.__name__, cls) is not cls})
    repair_references(replaced)


def classes_of(name: str) -> List[type]:
    """Return the classes that a loaded Python module defines under their own names.

    :param name: import name
    """
    found = vars(sys.modules[name]).items()
    return [cls for key, cls in found if isinstance(cls, type) and cls.__module__ == name and cls.__name__ == key]


def repair_references(replaced: Mapping[type, type]) -> List[str]:
    """Let Python modules and dependency lists that hold an old class hold the new one.

    :param replaced: ``{old class: new class}``
    :return: the places that were changed
    """
    changed = []
    for module in [m for m in list(sys.modules.values()) if isinstance(m, ModuleType)]:
        for name, value in list(vars(module).items()):
            if not isinstance(value, type):
                continue
            if value in replaced:
                setattr(module, name, replaced[value])
                changed.append(f"{module.__name__}.{name}")
            depends = value.__dict__.get("depends")
            if isinstance(depends, tuple) and any(dep in replaced for dep in depends):
                value.depends = tuple(replaced.get(dep, dep) for dep in depends)  # type: ignore[attr-defined]
                changed.append(f"{module.__name__}.{name}.depends")
    return changed


def describe(exc: BaseException) -> str:
    """Return an exception as one line: where in the source a syntax error is, else type and text."""
    if isinstance(exc, SyntaxError):
        return f"SyntaxError: {exc.msg} ({exc.filename}, line {exc.lineno})"
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"
