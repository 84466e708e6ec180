"""A forked process that ends with its parent, however the parent ends."""

from __future__ import annotations

import ctypes
import logging
import os
import signal

_logger = logging.getLogger(__name__)

# prctl(2)
_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int, signum: int = signal.SIGTERM) -> None:
    """Ask the system for a signal to this process when its parent has ended, also when that was killed.

    To be called in the child after the fork; see ``PR_SET_PDEATHSIG`` in prctl(2). Systems without it log that once.

    :param parent: process id of the parent, taken before the fork
    :param signum: the signal to get; when the parent has ended already, this process gets it at once
    """
    try:
        failed = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signum, 0, 0, 0)
    except (OSError, AttributeError):
        failed = -1
    if failed:
        _logger.warning("process %d will not notice when its parent %d is killed: no prctl", os.getpid(), parent)
    if os.getppid() != parent:
        os.kill(os.getpid(), signum)
