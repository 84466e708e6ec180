"""What to load and unload, in which order: pure functions on names (manual 3.2.1, 3.2.3).

A dependency graph is ``{name: names it depends on}``. Nothing here imports, starts or stops a module.
"""

from __future__ import annotations

from typing import Collection, Dict, Iterable, List, Mapping, Sequence, Set

Graph = Mapping[str, Collection[str]]


class ModuleLoadException(Exception):
    """A module could not be loaded, unloaded or reloaded; the text names it and the reason."""


def load_order(wanted: Iterable[str], depends: Graph, loaded: Collection[str] = ()) -> List[List[str]]:
    """Return the steps that load the wanted modules; what stands in one step may be loaded at the same time.

    :param wanted: names of modules to load
    :param depends: ``{name: names it depends on}`` for everything that may be needed
    :param loaded: names that need not be loaded again; their dependencies are not looked at
    :return: list of steps, each a sorted list of names; empty when everything is loaded
    :raises ModuleLoadException: modules depend on each other in a circle, whose names the text gives
    """
    missing = {name: {dep for dep in depends.get(name, ()) if dep not in loaded} for name in _needed(wanted, depends, loaded)}
    steps: List[List[str]] = []
    while missing:
        ready = sorted(name for name, deps in missing.items() if not deps & missing.keys())
        if not ready:
            raise ModuleLoadException("modules depend on each other: " + " -> ".join(_circle(missing)))
        steps.append(ready)
        for name in ready:
            del missing[name]
    return steps


def unload_order(names: Iterable[str], depends: Graph) -> List[str]:
    """Return what to unload, and in which order, so that nothing runs without what it depends on.

    :param names: names to unload
    :param depends: ``{name: names it depends on}`` of all loaded modules, without a circle
    :return: the names and everything that depends on them, dependants first
    """
    gone = set(names) & set(depends)
    before = -1
    while len(gone) != before:
        before = len(gone)
        gone.update(name for name, deps in depends.items() if gone.intersection(deps))
    return reversed_order(gone, depends)


def reversed_order(names: Collection[str], depends: Graph) -> List[str]:
    """Return loaded names so that each stands before what it depends on.

    :param names: names to order
    :param depends: ``{name: names it depends on}`` of all loaded modules, without a circle
    """
    inner = {name: [dep for dep in depends.get(name, ()) if dep in names] for name in names}
    return [name for step in reversed(load_order(names, inner)) for name in step]


def idle_services(depends: Graph, services: Collection[str], candidates: Collection[str]) -> List[str]:
    """Return the service modules that nobody depends on any more, in the order of unloading.

    :param depends: ``{name: names it depends on}`` of all loaded modules
    :param services: names of the loaded modules that are services
    :param candidates: names to look at: what the modules just unloaded depended on
    """
    left = {name: set(deps) for name, deps in depends.items()}
    result: List[str] = []
    pending = sorted(candidates)
    while pending:
        name = pending.pop(0)
        used = any(name in deps for deps in left.values())
        if name in left and name in services and not used:
            pending.extend(sorted(left.pop(name)))
            result.append(name)
    return result


def reload_set(paths: Iterable[str], files: Mapping[str, str]) -> Set[str]:
    """Return the loading paths that must be loaded again together: all classes of the same files are.

    :param paths: loading paths to reload
    :param files: ``{loading path: import name of its Python module}`` of all loaded modules
    """
    changed = {files[path] for path in paths if path in files}
    return {path for path, name in files.items() if name in changed}


def _needed(wanted: Iterable[str], depends: Graph, loaded: Collection[str]) -> Set[str]:
    found: Set[str] = set()
    pending = [name for name in wanted if name not in loaded]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending.extend(dep for dep in depends.get(name, ()) if dep not in loaded)
    return found


def _circle(stuck: Dict[str, Set[str]]) -> Sequence[str]:
    """Follow dependencies among names that all wait for each other until one comes twice."""
    name = min(stuck)
    seen: List[str] = []
    while name not in seen:
        seen.append(name)
        name = min(stuck[name] & stuck.keys())
    circle = seen[seen.index(name) :]
    first = circle.index(min(circle))
    return circle[first:] + circle[:first] + [circle[first]]
