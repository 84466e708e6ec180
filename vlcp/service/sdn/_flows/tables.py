"""Table requests of modules -> table numbers and paths (manual 4.5.2).

The result depends only on the set of modules, not on the order in which they were loaded, so that a controller that
starts again gives every table the number it had.
"""

from __future__ import annotations

from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

MAX_TABLES = 255
"""OpenFlow 1.3 numbers tables 0 to 254; 255 means all of them."""

TableRequest = Tuple[str, Sequence[str], str]
ModuleRequest = Tuple[Sequence[TableRequest], Optional[Sequence[str]]]


class Allocation(NamedTuple):
    """Tables of one vHost: ``tables`` as ``((name, id), ...)`` by id, ``paths`` as ``{path: ((name, id), ...)}``."""

    tables: Tuple[Tuple[str, int], ...]
    paths: Dict[str, Tuple[Tuple[str, int], ...]]

    def next_tables(self) -> Dict[str, str]:
        """Return ``{table: next table of the same path}``; the last table of a path is missing."""
        return {name: following for members in self.paths.values() for (name, _), (following, _) in zip(members, members[1:])}


def allocate(requests: Mapping[str, ModuleRequest]) -> Dict[str, Allocation]:
    """Return ``{vhost: Allocation}`` for every vHost that a module names.

    :param requests: ``{module: (table requests, vhosts)}``; a request is ``(name, ancestors, path)``, vhosts None means
        every vHost that another module names. An ancestor that nobody requests is ignored.
    :raises ValueError: a table in two paths, a cycle of ancestors, or too many tables
    """
    vhosts = sorted({vhost for _, bound in requests.values() if bound is not None for vhost in bound})
    return {
        vhost: _allocate_vhost(
            vhost,
            [
                request
                for module in sorted(requests)
                if requests[module][1] is None or vhost in (requests[module][1] or ())
                for request in requests[module][0]
            ],
        )
        for vhost in vhosts
    }


def _allocate_vhost(vhost: str, requests: Iterable[TableRequest]) -> Allocation:
    ancestors: Dict[str, Set[str]] = {}
    paths: Dict[str, str] = {}
    for name, before, path in requests:
        if paths.setdefault(name, path) != path:
            raise ValueError(f"table {name!r} is requested for two paths: {paths[name]!r} and {path!r}")
        ancestors.setdefault(name, set()).update(before)
    if len(ancestors) > MAX_TABLES:
        raise ValueError(f"{len(ancestors)} tables are requested in vHost {vhost!r}; a switch has {MAX_TABLES}")
    for before_set in ancestors.values():
        before_set.intersection_update(ancestors)
    order = _sort(vhost, ancestors)
    numbered = tuple((name, number) for number, name in enumerate(order))
    members: Dict[str, List[Tuple[str, int]]] = {}
    for name, number in numbered:
        members.setdefault(paths[name], []).append((name, number))
    return Allocation(numbered, {path: tuple(rows) for path, rows in members.items()})


def _sort(vhost: str, ancestors: Mapping[str, Set[str]]) -> List[str]:
    """Sort depth first: a table, then those of its followers that wait for nothing else, last name first."""
    waiting = {name: set(before) for name, before in ancestors.items()}
    followers: Dict[str, List[str]] = {name: [] for name in ancestors}
    for name in sorted(ancestors):
        for before in ancestors[name]:
            followers[before].append(name)
    stack = sorted(name for name, before in waiting.items() if not before)
    order: List[str] = []
    while stack:
        name = stack.pop()
        order.append(name)
        for follower in followers[name]:
            waiting[follower].discard(name)
            if not waiting[follower]:
                stack.append(follower)
    if len(order) < len(ancestors):
        cycle = _cycle({name: before for name, before in waiting.items() if before})
        raise ValueError(f"tables of vHost {vhost!r} are ancestors of each other: {' -> '.join(cycle)}")
    return order


def _cycle(waiting: Mapping[str, Set[str]]) -> List[str]:
    """Return one cycle of tables that wait for each other, first and last the same."""
    name = min(waiting)
    seen: List[str] = []
    while name not in seen:
        seen.append(name)
        name = min(before for before in waiting[name] if before in waiting)
    return [*seen[seen.index(name) :], name]
