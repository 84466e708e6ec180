"""Results that another routine gives (manual 5.2.4).

A future keeps its result, so it does not matter whether one waits before or after the result is set, and several routines
may wait for the same one.  The end of a waiting routine does not cancel the future.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import Any, Iterator

from vlcp.event._events import FutureCancelledException, GeneratorExit_, QuitException
from vlcp.event.event import Event, EventMatcher, with_indices

__all__ = ["Future", "FutureCancelledException", "FutureEvent", "RoutineFuture"]


@with_indices("futureobj")
class FutureEvent(Event):
    """A future has its result.

    :param futureobj: the future
    """


class Future:
    """A result that is set once.

    :param scheduler: the scheduler
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self._done = False
        self._result: Any = None
        self._exception: BaseException | None = None
        self._matcher: EventMatcher | None = None

    def done(self) -> bool:
        """Return whether the result, or an exception, is set."""
        return self._done

    def result(self) -> Any:
        """Return the result, or None while it is not set.

        :raises BaseException: the exception that was set
        """
        if self._exception is not None:
            raise self._exception
        return self._result

    async def wait(self, container: Any = None) -> Any:
        """Wait for the result and return it.

        :param container: deprecated, not used
        :raises BaseException: the exception that was set
        """
        return await self

    def __await__(self) -> Iterator:
        while not self._done:
            if self._matcher is None:
                self._matcher = FutureEvent.createMatcher(self)
            yield self._matcher
        return self.result()

    def _finish(self, result: Any, exception: BaseException | None) -> None:
        if self._done:
            raise ValueError(f"The result of {self!r} is set already")
        self._done, self._result, self._exception = True, result, exception
        self._tell()

    def _tell(self) -> None:
        self._scheduler.emergesend(FutureEvent(self))

    def set_result(self, result: Any) -> None:
        """Set the result and wake up all who wait.

        :raises ValueError: it is set already
        """
        self._finish(result, None)

    def set_exception(self, exception: BaseException) -> None:
        """Set an exception, which is raised in all who wait.

        :raises ValueError: a result is set already
        """
        self._finish(None, exception)

    @contextmanager
    def ensure_result(self, supress_exception: bool = False, defaultresult: Any = None) -> Iterator[Future]:
        """Context manager after which a result is set.

        :param supress_exception: an exception of the block is set and not raised again
        :param defaultresult: the result if the block sets none
        :raises BaseException: what the block raises, unless it is suppressed
        """
        try:
            yield self
        except Exception as exc:
            if not self._done:
                self.set_exception(exc)
            if not supress_exception:
                raise
        except BaseException as exc:
            if not self._done:
                self.set_exception(_cancelled(self, exc))
            raise
        else:
            if not self._done:
                self.set_result(defaultresult)


def _cancelled(future: Future, cause: BaseException | None) -> FutureCancelledException:
    exc = FutureCancelledException(f"The routine that gives {future!r} its result was terminated")
    exc.__cause__ = cause
    return exc


class QuietFuture(Future):
    """A future that nobody but those who await it hears of: without them there is no :class:`FutureEvent`."""

    def _tell(self) -> None:
        if self._matcher is not None:
            super()._tell()


class RoutineFuture(Future):
    """Runs a coroutine in a routine of its own and keeps its result.

    :param subprocess: a coroutine
    :param container: the container of the routine
    """

    def __init__(self, subprocess: Any, container: Any) -> None:
        super().__init__(container.scheduler)
        self._container = container
        self._subprocess = subprocess
        self.routine = container.subroutine(self._run())

    async def _run(self) -> None:
        try:
            result = await self._subprocess
        except (GeneratorExit, GeneratorExit_, QuitException) as exc:
            if not self._done:
                self.set_exception(_cancelled(self, exc))
            raise
        except BaseException as exc:
            if not self._done:
                self.set_exception(exc)
        else:
            if not self._done:
                self.set_result(result)

    def close(self) -> None:
        """Terminate the routine; those who wait get :class:`FutureCancelledException`.  Does nothing after the end."""
        if self._done:
            return
        if not self.routine.started and inspect.iscoroutine(self._subprocess):
            self._subprocess.close()
        self.routine.close()
        if not self._done:
            self.set_exception(_cancelled(self, None))

    cancel = close

    async def wait_and_close(self) -> Any:
        """Wait for the result and return it; terminate the routine if this wait is terminated.

        :raises BaseException: what the coroutine raised
        """
        try:
            return await self
        finally:
            self.close()
