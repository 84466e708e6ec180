"""Runs a coroutine inside a routine and watches other events meanwhile."""

from __future__ import annotations

from typing import Any, Callable, Iterator

from vlcp.event._events import GeneratorExit_
from vlcp.event.event import Diff_, DiffRef_, Event, EventMatcher


class Monitor:
    """Awaitable: the result of ``subprocess``; ``callback(event, matcher)`` is called for events of ``matchers``.

    An event that both sides wait for is given to the callback first, then to the coroutine.

    :param subprocess: a coroutine, or another awaitable
    :param callback: if it raises, the coroutine is terminated and the exception goes on
    :param matchers: what to watch
    :param intercept: called before the coroutine gets an event, or None
    """

    def __init__(
        self,
        subprocess: Any,
        callback: Callable[[Event, EventMatcher], Any],
        matchers: tuple,
        intercept: Callable[[Event, EventMatcher], Any] | None,
    ) -> None:
        self._run = subprocess if hasattr(subprocess, "send") else subprocess.__await__()
        self._callback = callback
        self._matchers = matchers
        self._intercept = intercept

    def __await__(self) -> Iterator:
        run = self._run
        reply: Any = None
        try:
            target = run.send(None)
            combined = self._with_own(target)
            while True:
                try:
                    reply = yield combined
                except BaseException as exc:
                    following = run.throw(exc)
                else:
                    failure = self._watch(reply)
                    if failure is not None:
                        yield from terminate(run)
                        raise failure
                    if not self._concerns(reply, target):
                        continue
                    following = run.send(self._reply_for(reply, target))
                if following is not target:
                    target = following
                    combined = self._with_own(target)
        except StopIteration as exc:
            return exc.value

    def _with_own(self, target: Any) -> Any:
        """Return what to await: what the coroutine awaits, and what is watched."""
        if isinstance(target, EventMatcher):
            return (target, *self._matchers)
        if isinstance(target, (Diff_, DiffRef_)):
            return target + self._matchers
        if isinstance(target, tuple):
            return target + self._matchers
        return target

    def _watch(self, reply: tuple) -> BaseException | None:
        """Call the callbacks for an event; return what they raise."""
        event, matcher = reply
        if event is None:
            return None
        try:
            for own in self._matchers:
                if own is matcher or own.isMatch(event):
                    self._callback(event, own)
                    break
            if self._intercept is not None and matcher not in self._matchers:
                self._intercept(event, matcher)
        except BaseException as exc:
            return exc
        return None

    def _concerns(self, reply: tuple, target: Any) -> bool:
        event, matcher = reply
        return matcher not in self._matchers or self._matcher_of(event, target) is not None

    def _reply_for(self, reply: tuple, target: Any) -> tuple:
        event, matcher = reply
        return (event, self._matcher_of(event, target)) if matcher in self._matchers else reply

    @staticmethod
    def _matcher_of(event: Event, target: Any) -> EventMatcher | None:
        """Return the matcher of ``target`` that matches an event, or None."""
        matchers = (target,) if isinstance(target, EventMatcher) else target or ()
        return next((m for m in matchers if m.isMatch(event)), None)


def terminate(run: Any) -> Iterator:
    """End a coroutine with :class:`GeneratorExit_`, and wait as long as it awaits in its clean-up."""
    try:
        target = run.throw(GeneratorExit_())
        while True:
            try:
                reply = yield target
            except BaseException as exc:
                target = run.throw(exc)
            else:
                target = run.send(reply)
    except (StopIteration, GeneratorExit_):
        return
