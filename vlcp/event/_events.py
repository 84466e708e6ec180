"""Events and exceptions of the scheduler itself."""

from __future__ import annotations

from vlcp.event.event import Event, with_indices

#: Bits of the ``options`` of ``registerPolling``, and of the ``detail`` of a :class:`PollEvent`; those of ``poll(2)``.
POLLING_IN = 1
POLLING_PRI = 2
POLLING_OUT = 4
POLLING_ERR = 8
POLLING_HUP = 16


class InterruptedBySignalException(Exception):
    """A signal interrupted a poller; raised by pollers that cannot be woken up in another way."""


class QuitException(BaseException):
    """Thrown into every routine when the scheduler stops; a routine that raises it stops the scheduler."""


class GeneratorExit_(BaseException):
    """Thrown into a routine that is terminated.

    Unlike ``GeneratorExit`` it allows awaiting in ``finally`` and ``except`` blocks: the routine ends when those end.
    """


class FutureCancelledException(Exception):
    """The routine that was to give a result was terminated."""


@with_indices("fileno", "category", "detail")
class PollEvent(Event):
    """A file descriptor is ready.

    :param fileno: the file descriptor
    :param category: READ_READY, WRITE_READY, ERROR or HANGUP
    :param detail: all bits that the poller reported
    """

    READ_READY = POLLING_IN
    WRITE_READY = POLLING_OUT
    ERROR = POLLING_ERR
    HANGUP = POLLING_HUP


@with_indices("type")
class SystemControlEvent(Event):
    """State of the main loop.

    :param type: INIT: it starts; QUIT: it stops; CONTINUE: someone called ``wantContinue`` in the turn before
    """

    QUIT = "quit"
    INIT = "init"
    CONTINUE = "continue"


@with_indices("type")
class SystemControlLowPriorityEvent(Event):
    """State of the main loop, for background work; only made when someone waits for it.

    :param type: LOOP: a turn ends; FREE: there is nothing left to do
    """

    FREE = "free"
    LOOP = "loop"


@with_indices("handle")
class TimerEvent(Event):
    """A timer fires.

    :param handle: what ``setTimer`` returned
    """


@with_indices()
class SyscallReturnEvent(Event):
    """A syscall ended: ``retval`` holds what it returned, or ``exception`` is ``(type, value, traceback)``."""
