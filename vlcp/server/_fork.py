"""Several processes that each run a server, and their common parent (behaviour of ``vlcp-start -F``)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any, Callable, List, Tuple

from vlcp.server._notify import READY, STOPPING
from vlcp.utils.parent import end_with_parent

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Announce = Callable[[str], Any]


def run_workers(count: int, work: Callable[[Announce], int], announce: Announce) -> int:
    """Run a function in several processes and wait for all of them.

    SIGTERM, SIGINT and SIGHUP of this process terminate the workers, and so does its end by any other cause. A worker
    that ends by itself leaves the others alone.

    :param count: number of workers
    :param work: called with a function to announce "READY=1" with; returns the exit status of a worker
    :param announce: called in this process with "READY=1" as soon as all workers have said that, and with "STOPPING=1"
        before they are terminated
    :return: the largest exit status of the workers
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    workers, ready = _start(count, work)
    # The reading thread starts after the forks, with the signals still blocked, so that they come to this thread.
    threading.Thread(target=_announce_ready, args=(ready, count, announce), daemon=True).start()

    def stop(signum: int, frame: Any) -> None:
        announce(STOPPING)
        for worker in workers:
            os.kill(worker, signal.SIGTERM)

    for signum in _ENDING:
        signal.signal(signum, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
    statuses = []
    while workers:
        pid, status = os.wait()
        if pid in workers:
            workers.remove(pid)
            statuses.append(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)
    return max(statuses)


def _start(count: int, work: Callable[[Announce], int]) -> Tuple[List[int], int]:
    """Fork the workers; return their process ids and the end of a pipe on which each ready one writes a byte."""
    parent = os.getpid()
    reader, writer = os.pipe()
    workers = []
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
            os.close(reader)
            _run_worker(work, parent, writer)
        workers.append(pid)
    os.close(writer)
    return workers, reader


def _run_worker(work: Callable[[Announce], int], parent: int, writer: int) -> None:
    def announce(state: str) -> None:
        if state == READY:
            with contextlib.suppress(BrokenPipeError):
                os.write(writer, b".")

    status = 1
    try:
        end_with_parent(parent)
        status = work(announce)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _announce_ready(reader: int, count: int, announce: Announce) -> None:
    with open(reader, "rb", buffering=0) as pipe:
        said = 0
        while said < count:
            data = pipe.read(count - said)
            if not data:
                return
            said += len(data)
    announce(READY)
