"""Serializability of list-append histories by cycles of dependencies (Adya; Kingsbury and Alvaro, "Elle", 2020): pure.

Operations that happened are nodes. An edge says which of two must come first in any serial order:

``ww``  both append to a list, one next after the other
``wr``  one reads what the other appended last
``rw``  one reads a list before the other appends to it
``rt``  one was over when the other began; not used with reads that are ``LOOSE``

A cycle means that there is no such order. Its edges tell what went wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from support.history import CURRENT, LOOSE, OK, Anomaly, Operation, check_reads, check_updates, happened, writers

WW, WR, RW, RT = "ww", "wr", "rw", "rt"
_MOST_CYCLES = 20

Graph = Dict[Any, Dict[Any, str]]
"""Kind of the edge from each node to each of its successors."""


class Edge(NamedTuple):
    """A dependency: ``before`` comes first."""

    before: Any
    after: Any
    kind: str


def check(operations: Sequence[Operation], realtime: bool = True) -> List[Anomaly]:
    """Return everything in a list-append history that no serial order explains; nothing when it is serializable.

    :param operations: all, also those that failed or whose outcome is unknown
    :param realtime: the order must also be one in which nothing comes before what was over when it began. Reads of the past
        are held to it only as writers are: they may be late, but not early
    :raises ValueError: two operations append the same element
    """
    found = check_reads(operations) + check_updates(operations)
    orders, bad = version_orders(operations)
    real = happened(operations)
    named = {operation.name: operation for operation in real}
    loose = {operation.name for operation in real if operation.scope == LOOSE}
    edges = dependencies(real, orders)
    strict = [edge for edge in edges if not loose & {edge.before, edge.after}]
    if realtime:
        strict += time_edges(operation for operation in real if operation.name not in loose)
    found += bad + cycles(graph_of(strict), named)
    return found + _loose_reads(edges, loose, named)


def _loose_reads(edges: List[Edge], loose: Set[str], operations: Dict[str, Operation]) -> List[Anomaly]:
    """Return cycles of writes and a single loose read; two of those need not see the same order."""
    writes = [edge for edge in edges if edge.kind == WW]
    if components(graph_of(writes)):
        return []
    around: Dict[str, List[Edge]] = {name: [] for name in loose}
    for edge in edges:
        for name in loose & {edge.before, edge.after}:
            around[name].append(edge)
    return [found for name in sorted(loose) for found in cycles(graph_of(writes + around[name]), operations)]


def version_orders(operations: Sequence[Operation]) -> Tuple[Dict[str, List[Any]], List[Anomaly]]:
    """Return the elements of each key in the order in which they were appended, and reads that contradict it.

    An operation that read a list and appended to it has also seen the list after it.
    """
    seen: Dict[str, List[Tuple[List[Any], str]]] = {}
    for operation in happened(operations):
        for key, elements in operation.reads.items():
            seen.setdefault(key, []).append((elements + operation.appends.get(key, []), operation.name))
    orders, bad = {}, []
    for key, lists in seen.items():
        longest, owner = max(lists, key=lambda found: len(found[0]))
        orders[key] = longest
        for elements, name in lists:
            if longest[: len(elements)] != elements:
                text = "%s and %s saw other orders in %s: %r, %r" % (name, owner, key, elements[-3:], longest[-3:])
                bad.append(Anomaly("lost update", text, (name, owner)))
    return orders, bad


def dependencies(operations: Sequence[Operation], orders: Dict[str, List[Any]]) -> List[Edge]:
    """Return the edges ``ww``, ``wr`` and ``rw``.

    :param operations: those that happened
    :param orders: elements of each key in order; elements that were appended but are not there come after them
    """
    wrote = writers(operations)
    late = _unplaced(operations, orders)
    edges: List[Edge] = []
    for key, order in orders.items():
        chain = [wrote[element].name for element in order if element in wrote]
        edges.extend(Edge(one, other, WW) for one, other in zip(chain, chain[1:]))
        edges.extend(Edge(chain[-1], name, WW) for name in late.get(key, ()) if chain)
    for operation in operations:
        for key, elements in operation.reads.items():
            if elements and elements[-1] in wrote:
                edges.append(Edge(wrote[elements[-1]].name, operation.name, WR))
            following = orders[key][len(elements) : len(elements) + 1]
            after = [wrote[element].name for element in following if element in wrote] or late.get(key, [])
            edges.extend(Edge(operation.name, name, RW) for name in after)
    return [edge for edge in edges if edge.before != edge.after]


def _unplaced(operations: Sequence[Operation], orders: Dict[str, List[Any]]) -> Dict[str, List[str]]:
    placed = {element for order in orders.values() for element in order}
    late: Dict[str, List[str]] = {}
    for operation in operations:
        for key, elements in operation.appends.items():
            if not placed.issuperset(elements):
                late.setdefault(key, []).append(operation.name)
    return late


def time_edges(operations: Iterable[Operation]) -> List[Edge]:
    """Return edges from each operation to those that began when it was over, by way of nodes for moments (floats).

    Reads of the past have no edge from the moment at which they began, and operations that never
    ended have none to the moment of their end.
    """
    real = list(operations)
    ends = sorted({operation.completed for operation in real if operation.completed is not None and operation.outcome == OK})
    edges = [Edge(one, other, RT) for one, other in zip(ends, ends[1:])]
    for operation in real:
        if operation.completed is not None and operation.outcome == OK:
            edges.append(Edge(operation.name, operation.completed, RT))
        place = bisect_left(ends, operation.invoked) - 1
        if operation.scope == CURRENT and place >= 0:
            edges.append(Edge(ends[place], operation.name, RT))
    return edges


def graph_of(edges: Iterable[Edge]) -> Graph:
    """Return the edges by node; of several between the same nodes, the one that says most."""
    rank = (WW, WR, RT, RW)
    graph: Graph = {}
    for edge in edges:
        known = graph.setdefault(edge.before, {}).get(edge.after)
        if known is None or rank.index(edge.kind) < rank.index(known):
            graph[edge.before][edge.after] = edge.kind
        graph.setdefault(edge.after, {})
    return graph


def components(graph: Graph) -> List[Set[Any]]:
    """Return the strongly connected components of more than one node (Tarjan, without recursion)."""
    index: Dict[Any, int] = {}
    low: Dict[Any, int] = {}
    stack: List[Any] = []
    waiting: Set[Any] = set()
    found: List[Set[Any]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(graph[root]))]
        while work:
            node, successors = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                waiting.add(node)
            following = next((after for after in successors if _unseen(node, after, index, low, waiting)), None)
            if following is not None:
                work.append((following, iter(graph[following])))
                continue
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                found.append(_popped(stack, waiting, node))
    return [component for component in found if len(component) > 1]


def _unseen(node: Any, after: Any, index: Dict[Any, int], low: Dict[Any, int], waiting: Set[Any]) -> bool:
    if after not in index:
        return True
    if after in waiting:
        low[node] = min(low[node], index[after])
    return False


def _popped(stack: List[Any], waiting: Set[Any], last: Any) -> Set[Any]:
    component = set()
    while True:
        node = stack.pop()
        waiting.discard(node)
        component.add(node)
        if node == last:
            return component


def cycles(graph: Graph, operations: Dict[str, Operation]) -> List[Anomaly]:
    """Return a cycle of each component, the one that says most about what went wrong.

    :param operations: by name, to tell readers from writers
    """
    found = []
    for component in components(graph)[:_MOST_CYCLES]:
        inner = {node: {after: kind for after, kind in graph[node].items() if after in component} for node in component}
        found.append(_named(_best_cycle(inner), operations))
    return found


def _best_cycle(graph: Graph) -> List[Edge]:
    """Return a cycle with as few ``rw`` edges, and as little of time, as there is."""
    for kinds in ((WW,), (WW, WR), (WW, WR, RT)):
        cycle = _through(graph, kinds, kinds)
        if cycle:
            return cycle
    for kinds in ((WW, WR), (WW, WR, RT), (WW, WR, RW), (WW, WR, RT, RW)):
        cycle = _through(graph, (RW,), kinds)
        if cycle:
            return cycle
    raise ValueError("no cycle in %d nodes" % (len(graph),))


def _through(graph: Graph, first: Sequence[str], others: Sequence[str]) -> Optional[List[Edge]]:
    """Return the shortest of some cycles that begin with an edge of the kinds ``first`` and go on with ``others``."""
    best: Optional[List[Edge]] = None
    tries = 0
    for node in sorted(graph, key=str):
        for after in sorted(graph[node], key=str):
            if graph[node][after] not in first:
                continue
            path = _path(graph, after, node, others)
            if path is not None and (best is None or len(path) < len(best) - 1):
                best = [Edge(node, after, graph[node][after]), *path]
            tries += 1
            if tries > 200 and best is not None:
                return best
    return best


def _path(graph: Graph, start: Any, goal: Any, kinds: Sequence[str]) -> Optional[List[Edge]]:
    came: Dict[Any, Edge] = {}
    todo = deque([start])
    while todo:
        node = todo.popleft()
        if node == goal:
            break
        for after, kind in graph[node].items():
            if kind in kinds and after not in came and after != start:
                came[after] = Edge(node, after, kind)
                todo.append(after)
    if goal not in came:
        return [] if start == goal else None
    path = [came[goal]]
    while path[-1].before != start:
        path.append(came[path[-1].before])
    return path[::-1]


def _named(cycle: List[Edge], operations: Dict[str, Operation]) -> Anomaly:
    kinds = [edge.kind for edge in cycle]
    names = [edge.before for edge in cycle if edge.before in operations]
    steps = ["%s -%s->" % (edge.before, edge.kind) for edge in cycle]
    text = " ".join([*steps, str(cycle[-1].after)])
    return Anomaly(_kind(kinds, [operations[name] for name in names]), text, tuple(names))


def _kind(kinds: List[str], involved: List[Operation]) -> str:
    if RT in kinds:
        return "stale read" if RW in kinds else "out of time"
    if RW not in kinds:
        return "circular information" if WR in kinds else "dirty write"
    if kinds.count(RW) > 1:
        return "write skew"
    return "torn read" if any(not operation.appends for operation in involved) else "read skew"
