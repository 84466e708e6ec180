"""Small tools for transactions: updater decorators, creation checks, watch contexts.

Their public place is :mod:`vlcp.utils.dataobject`.
"""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple


class AlreadyExistsException(Exception):
    """An object, or another object with the same unique key, exists already."""

    __module__ = "vlcp.utils.dataobject"


@contextmanager
def watch_context(keys: Iterable[str], result: Any, reqid: Any, container: Any, module: str = "objectdb") -> Iterator[Any]:
    """Context that stops watching ``keys`` at its end. Prefer :func:`request_context`.

    :param keys: keys watched under ``reqid``
    :param result: value of the context
    :param container: starts the routine that cancels
    :param module: name of the module that watches
    """
    watched = tuple(keys)
    try:
        yield result
    finally:
        _cancel(container, module, "munwatch", {"keys": watched, "requestid": reqid})


@contextmanager
def request_context(reqid: Any, container: Any, module: str = "objectdb") -> Iterator[Any]:
    """Context that stops watching everything of ``reqid`` at its end.

    :param container: starts the routine that cancels
    :param module: name of the module that watches
    """
    try:
        yield reqid
    finally:
        _cancel(container, module, "unwatchall", {"requestid": reqid})


def _cancel(container: Any, module: str, name: str, params: Dict[str, Any]) -> None:
    from vlcp.server.module import call_api

    container.subroutine(call_api(container, module, name, params))


def updater(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make an updater for ``transact`` of a function with one argument for each key.

    ``f(*values[, timestamp])`` returns the new values in the order of the keys; when it returns fewer,
    only the first keys are written.
    """

    @functools.wraps(f)
    def wrapped(keys: Sequence[str], values: Sequence[Any], *timestamp: int) -> Tuple[Any, Any]:
        result = tuple(f(*values, *timestamp))
        return tuple(keys[: len(result)]), result

    return wrapped


def list_updater(*args: Optional[int]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make an updater for ``transact`` of a function whose arguments are lists of values.

    :param args: one size for each argument: a number of keys, -1 for all others (only once), or None for
                 a single value instead of a list
    :raises ValueError: -1 is there twice
    """
    if args.count(-1) > 1:
        raise ValueError("list_updater: only one size can be -1, got %r" % (args,))
    fixed = sum(1 if size is None else size for size in args if size != -1)

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def wrapped(keys: Sequence[str], values: Sequence[Any], *timestamp: int) -> Tuple[Any, Any]:
            arguments, start = [], 0
            for size in args:
                count = 1 if size is None else len(keys) - fixed if size == -1 else size
                part = values[start : start + count]
                arguments.append(part[0] if size is None else list(part))
                start += count
            result = f(*arguments, *timestamp)
            written: List[Any] = []
            for size, value in zip(args, result):
                written.extend([value] if size is None else value)
            return tuple(keys[: len(written)]), tuple(written)

        return wrapped

    return decorate


def create_new(cls: Any, oldvalue: Any, *args: Any) -> Any:
    """Return a new ``cls`` with the index values ``args``.

    :param oldvalue: what is stored now
    :raises AlreadyExistsException: ``oldvalue`` is not None
    """
    return set_new(oldvalue, cls.create_instance(*args))


def create_from_key(cls: Any, oldvalue: Any, key: str) -> Any:
    """Return a new ``cls`` with ``key``.

    :param oldvalue: what is stored now
    :raises AlreadyExistsException: ``oldvalue`` is not None
    """
    return set_new(oldvalue, cls.create_from_key(key))


def set_new(oldvalue: Any, newvalue: Any) -> Any:
    """Return ``newvalue``.

    :param oldvalue: what is stored now
    :raises AlreadyExistsException: ``oldvalue`` is not None
    """
    if oldvalue is not None:
        raise AlreadyExistsException("%s already exists" % (oldvalue.getkey(),))
    return newvalue
