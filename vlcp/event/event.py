"""Events and the matchers that wait for them (manual 4.3.1 and 5.2.3).

An event has a *path*: for each class from the first subclass of :class:`Event` down to its own, the name of the class and
then the values of the indices that this class adds.  A matcher has a path of the same layout in which ``None`` stands for
any value; trailing ``None`` are cut off.  So a matcher for a class matches its subclasses too, and both ends can be looked
up in a tree of dictionaries (:mod:`vlcp.event.matchtree`).
"""

from __future__ import annotations

import itertools
import keyword
import logging
import warnings
from typing import Any, Callable, Iterable, Iterator

_logger = logging.getLogger(__name__)


class IsMatchExceptionWarning(Warning):
    """The test function of a matcher raised an exception; the event counts as not matched."""


class EventMatcher:
    """A criterion for events; awaiting it suspends the routine until an event matches.

    Matchers are compared by identity.

    :param indices: the path to match, ``None`` for any value
    :param judgeFunc: a further test ``judgeFunc(event) -> bool``, or None
    """

    __slots__ = ("__weakref__", "_judge", "indices")

    def __init__(self, indices: Iterable[Any], judgeFunc: Callable[[Event], bool] | None = None) -> None:
        path = tuple(indices)
        size = len(path)
        while size and path[size - 1] is None:
            size -= 1
        self.indices = path[:size]
        self._judge = judgeFunc

    def judge(self, event: Event) -> bool:
        """Return the answer of the test function for ``event``; True without one, False if it raises.

        An exception of the test function is reported as :class:`IsMatchExceptionWarning`.
        """
        if self._judge is None:
            return True
        try:
            return bool(self._judge(event))
        except Exception as exc:
            _warn_judge(self, event, exc)
            return False

    def isMatch(self, event: Event, indexStart: int = 0) -> bool:
        """Return whether this matcher matches ``event``.

        :param indexStart: number of leading path elements that are known to match
        """
        own = self.indices
        path = event.indices
        if len(own) > len(path):
            return False
        for i in range(indexStart, len(own)):
            if own[i] is not None and own[i] != path[i]:
                return False
        return self.judge(event)

    def __await__(self):
        """Wait for a matching event and return it."""
        event, _ = yield self
        return event

    def __repr__(self) -> str:
        test = "" if self._judge is None else f", {self._judge!r}"
        return f"EventMatcher({self.indices!r}{test})"


def _warn_judge(matcher: EventMatcher, event: Event, exc: Exception) -> None:
    text = f"Test function of {matcher!r} failed on {event!r}: {exc!r}"
    try:
        warnings.warn(text, IsMatchExceptionWarning, stacklevel=3)
    except IsMatchExceptionWarning:
        # Warnings are turned into errors by the user's filter; that must not end the scheduler's loop.
        _logger.warning(text, exc_info=exc)


class M_:
    """Awaitable for the first event that one of several matchers matches.

    ``event, matcher = await M_(matcher1, matcher2)``.  Without matchers it waits for ever.

    :param matchers: event matchers
    """

    __slots__ = ("matchers",)

    def __init__(self, *matchers: EventMatcher) -> None:
        self.matchers = matchers

    def __await__(self):
        """Return ``(event, matcher)``."""
        return (yield self.matchers)

    def __repr__(self) -> str:
        return f"M_{self.matchers!r}"


# Longest text of one attribute in the repr of an event, which log lines contain.
_MAX_REPR = 200
# A chain of differences is flattened when it gets longer than this.
_MAX_CHAIN = 64
_local_classes = itertools.count()


class Diff_:
    """A set of matchers, kept as the difference to another one; awaiting it gives ``(event, matcher)``.

    The scheduler registers only what changed when a routine awaits a ``Diff_`` after its base, so waiting for ``n`` events
    one after the other costs ``n`` steps and not ``n * n``.  Used by
    :meth:`~vlcp.event.runnable.RoutineContainer.wait_for_all`.

    :param base: a sequence of matchers, a :class:`Diff_` or a :class:`DiffRef_`
    :param add: matchers that are not in ``base``
    :param remove: matchers of ``base`` that are not in this set; not in ``add``
    """

    __slots__ = ("_depth", "_items", "add", "base", "remove")

    def __init__(self, base: Iterable = (), add: Iterable = (), remove: Iterable = ()) -> None:
        self.base = base
        self.add = tuple(add)
        self.remove = tuple(remove)
        self._items: tuple | None = None
        self._depth = 0
        if isinstance(base, Diff_):
            if base._depth >= _MAX_CHAIN:
                base._flatten()
            self._depth = base._depth + 1

    def _flatten(self) -> None:
        self._items = tuple(self)
        self.base, self.add, self.remove, self._depth = (), self._items, (), 0

    def _matchers(self) -> tuple:
        if self._items is None:
            removed = set(self.remove)
            self._items = tuple(m for m in self.base if m not in removed) + self.add
        return self._items

    def __iter__(self) -> Iterator[EventMatcher]:
        return iter(self._matchers())

    def __len__(self) -> int:
        return len(self._matchers())

    def __add__(self, matchers: Iterable) -> DiffRef_:
        return DiffRef_(self, matchers)

    def two_way_difference(self, b: Iterable, extra_add: Iterable = (), extra_remove: Iterable = ()) -> tuple:
        """Return ``(self - b, b - self)`` as sequences of matchers.

        :param b: another collection of matchers; cheap if it is the base of this one or the other way round
        :param extra_add: matchers that count as members of this set too
        :param extra_remove: matchers that count as members of ``b`` too
        """
        if b is self.base:
            more, less = self.add, self.remove
        elif isinstance(b, Diff_) and b.base is self:
            more, less = b.remove, b.add
        elif b is self:
            more, less = (), ()
        else:
            return _difference([*self, *extra_add], [*b, *extra_remove])
        if extra_add or extra_remove:
            return _difference([*more, *extra_add], [*less, *extra_remove])
        return more, less

    def __await__(self):
        """Return ``(event, matcher)``."""
        return (yield self)


class DiffRef_:
    """A :class:`Diff_` with further matchers, which keeps the cheap difference to the next one.

    :param origin: the :class:`Diff_`
    :param add: more matchers, none of them in ``origin``
    """

    __slots__ = ("add", "origin")

    def __init__(self, origin: Diff_, add: Iterable) -> None:
        self.origin = origin
        self.add = tuple(add)

    def __add__(self, matchers: Iterable) -> DiffRef_:
        return DiffRef_(self.origin, (*self.add, *matchers))

    def __iter__(self) -> Iterator[EventMatcher]:
        yield from self.origin
        yield from self.add

    def __len__(self) -> int:
        return len(self.origin) + len(self.add)

    def two_way_difference(self, b: Iterable) -> tuple:
        """Return ``(self - b, b - self)`` as sequences of matchers."""
        if isinstance(b, DiffRef_):
            return self.origin.two_way_difference(b.origin, self.add, b.add)
        return self.origin.two_way_difference(b, self.add)

    def __await__(self):
        """Return ``(event, matcher)``."""
        return (yield self)


def _difference(left: list, right: list) -> tuple[list, list]:
    """Return what is only in ``left`` and what is only in ``right``, each once and in order."""
    in_left, in_right = dict.fromkeys(left), dict.fromkeys(right)
    return [m for m in in_left if m not in in_right], [m for m in in_right if m not in in_left]


def with_indices(*args: str) -> Callable[[type], type]:
    """Return a class decorator that gives an event class its own indices, after those of its parent class.

    Every event class should be decorated; a class that is not has only the indices of its parent.

    :param args: names of the indices, which become attributes of the events
    :raises ValueError: a name is not an identifier, or is used twice
    """
    for name in args:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise ValueError(f"Index name is not an identifier: {name!r}")
        if name in ("self", "indices", "canignore"):
            raise ValueError(f"Index name is reserved: {name!r}")

    def decorator(cls: type) -> type:
        _set_layout(cls, args)
        return cls

    return decorator


withIndices = with_indices


class Event:
    """Base class of events.

    :param args: one value for each index, from the first ancestor's to this class'; hashable and not None
    :param kwargs: indices by name (only without ``args``), ``canignore``, and any other attribute
    :raises ValueError: an index is missing, is None, or there are too many
    :raises TypeError: the value of an index is not hashable
    """

    #: If False, the event blocks its queue until a routine sets ``canignore = True`` on it.
    canignore = True
    #: Names of the elements of the path.
    _path_names: tuple[str, ...] = ()
    _index_names: tuple[str, ...] = ()
    indices: tuple = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _set_layout(cls, ())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _init_event(self, args, kwargs)

    @classmethod
    def indicesNames(cls) -> tuple[str, ...]:
        """Return the names of all indices, ancestors' first."""
        return cls._index_names

    @classmethod
    def getTypename(cls) -> str | None:
        """Return the name under which this class stands in paths; None for :class:`Event` itself."""
        return None if cls is Event else _typename(cls)

    @classmethod
    def createMatcher(cls, *args: Any, **kwargs: Any) -> EventMatcher:
        """Return a matcher for events of this class and its subclasses.

        :param args: values of the indices in order, None for any value; missing ones match any value
        :param kwargs: values by name of index, and ``_ismatch``: a test ``f(event) -> bool``, called only for events
                       whose indices match
        :raises ValueError: too many values, or a name that is not an index
        """
        judge = kwargs.pop("_ismatch", None)
        names = cls._index_names
        if len(args) > len(names):
            raise ValueError(f"{cls.__name__} has {len(names)} indices, got {len(args)} values")
        values = dict(zip(names, args))
        for name, value in kwargs.items():
            if name not in names:
                raise ValueError(f"{cls.__name__} has no index {name!r}")
            values[name] = value
        path = [getattr(cls, n) if n.startswith("_classname") else values.get(n) for n in cls._path_names]
        matcher = EventMatcher(path, judge)
        hash(matcher.indices)
        return matcher

    def canignorenow(self) -> bool:
        """Return whether a blocking event may be dropped now; asked when it leaves the queue unmatched (manual 4.3.5)."""
        return False

    def __repr__(self) -> str:
        attrs = ", ".join(f"{k}={_short(v)}" for k, v in self.__dict__.items() if k != "indices")
        return f"<{type(self).__module__}.{type(self).__qualname__}({attrs})>"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_REPR else f"{text[:_MAX_REPR]}..."


def _typename(cls: Any) -> str:
    """Return the name of a class in paths: the same after its module is reloaded, and unique for a local class."""
    if "_own_typename" not in cls.__dict__:
        name = f"{cls.__module__}.{cls.__qualname__}"
        cls._own_typename = f"{name}#{next(_local_classes)}" if "<locals>" in name else name
    return cls._own_typename


def _set_layout(cls: type, own: tuple[str, ...]) -> None:
    """Compute path names of an event class from its parent's and its own indices, and write its ``__init__``."""
    parent = next(base for base in cls.__bases__ if issubclass(base, Event))
    names = parent._index_names + own
    if len(set(names)) != len(names):
        raise ValueError(f"Index names of {cls.__name__} are not unique: {names!r}")
    level = sum(1 for name in parent._path_names if name.startswith("_classname"))
    cls._index_names = names
    cls._path_names = (*parent._path_names, f"_classname{level}", *own)
    setattr(cls, f"_classname{level}", _typename(cls))
    own_init = cls.__dict__.get("__init__")
    if own_init is None or getattr(own_init, "generated", False):
        cls.__init__ = _make_init(cls)


_INIT = """\
def __init__(self, {params}*_rest, **_kwargs):
    if _rest or self.__class__ is not _cls:
        _init_event(self, ({args}*_rest,), _kwargs)
        return
    if {missing}:
        raise _missing_index(_cls, ({args}))
{assignments}
    self.indices = _path = ({path},)
    _hash(_path)
    if _kwargs:
        for _name, _value in _kwargs.items():
            setattr(self, _name, _value)
"""


def _make_init(cls: Any) -> Callable:
    """Compile the ``__init__`` of an event class, as :mod:`dataclasses` does: it runs once for each event."""
    names = cls._index_names
    path = [repr(getattr(cls, n)) if n.startswith("_classname") else n for n in cls._path_names]
    source = _INIT.format(
        params="".join(f"{n}=None, " for n in names),
        args="".join(f"{n}, " for n in names),
        missing=" or ".join(f"{n} is None" for n in names) or "False",
        assignments="\n".join(f"    self.{n} = {n}" for n in names),
        path=", ".join(path),
    )
    scope = {"_cls": cls, "_init_event": _init_event, "_missing_index": _missing_index, "_hash": hash}
    exec(source, scope)
    init = scope["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    init.generated = True
    return init


def _missing_index(cls: Any, values: tuple) -> ValueError:
    missing = [n for n, v in zip(cls._index_names, values) if v is None]
    return ValueError(f"Index of {cls.__name__} is missing or None: {', '.join(missing)}")


def _init_event(event: Any, args: tuple, kwargs: dict) -> None:
    """Set indices and attributes of an event of any class: the general, slower way."""
    cls = type(event)
    names = cls._index_names
    if len(args) > len(names):
        raise ValueError(f"{cls.__name__} has {len(names)} indices, got {len(args)} values")
    values = dict(zip(names, args))
    for name in names[len(args) :]:
        values[name] = kwargs.pop(name, None)
    if any(values[name] is None for name in names):
        raise _missing_index(cls, tuple(values[n] for n in names))
    event.__dict__.update(values)
    event.indices = tuple(getattr(cls, n) if n.startswith("_classname") else values[n] for n in cls._path_names)
    hash(event.indices)
    for name, value in kwargs.items():
        setattr(event, name, value)
