"""What a server process is besides its routines: log, limits, daemon, pid file (behaviour of ``vlcp-start``)."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import logging
import logging.config
import os
import pwd
import resource
import sys
from typing import Any, Dict, Iterator, Optional

from vlcp.config import ConfigTree, manager

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up_logging(settings: Any, fileconfig: Optional[str]) -> None:
    """Configure :mod:`logging`; messages from INFO on go to the standard error when nothing is configured.

    :param settings: dictionary or configuration node for :func:`logging.config.dictConfig`, or None
    :param fileconfig: path of a file for :func:`logging.config.fileConfig`, or None
    :raises ValueError: the configuration is wrong
    """
    if fileconfig is not None and not os.path.isfile(fileconfig):
        raise ValueError(f"server.loggingconfig: cannot read {fileconfig!r}")
    try:
        if settings is not None:
            plain = settings.todict() if isinstance(settings, ConfigTree) else dict(settings)
            logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **plain})
        elif fileconfig is not None:
            logging.config.fileConfig(fileconfig, disable_existing_loggers=False)
        else:
            logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    except (ValueError, TypeError, KeyError, AttributeError, ImportError, OSError) as exc:
        raise ValueError(f"cannot configure logging: {type(exc).__name__}: {exc}") from exc


def raise_file_limit(wanted: Optional[int]) -> None:
    """Raise the limit of open files to a number, or as near as the system allows; it is never lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted is None or soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    enough = hard == resource.RLIM_INFINITY or hard >= wanted
    for limits in [(wanted, hard if enough else wanted), (wanted if enough else hard, hard)]:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            break
        except (ValueError, OSError):
            logger.debug("the limit of open files cannot be %r", limits)
    reached = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if reached != resource.RLIM_INFINITY and reached < wanted:
        logger.info("open files are limited to %d, server.ulimitn asks for %d", reached, wanted)


class PidFile:
    """A file that holds the pid of a running process and is locked as long as it runs; a context manager.

    :param path: path of the file; made absolute at once
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._fd: Optional[int] = None

    def check(self) -> None:
        """Find out early whether entering will work.

        :raises OSError: another process holds the file, or it cannot be written
        """
        if os.path.exists(self.path):
            os.close(self._locked(os.O_RDWR))
        elif not os.access(os.path.dirname(self.path), os.W_OK):
            raise OSError(f"cannot write pid file {self.path!r}")

    def _locked(self, flags: int) -> int:
        fd = os.open(self.path, flags, 0o644)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(fd)
            raise OSError(f"pid file {self.path!r} is in use by another process") from exc
        return fd

    def __enter__(self) -> PidFile:
        self._fd = self._locked(os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, b"%d\n" % os.getpid())
        return self

    def __exit__(self, *exc_info: Any) -> None:
        if self._fd is not None:
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.remove(self.path)
            os.close(self._fd)
            self._fd = None


def daemon_identity(settings: Optional[ConfigTree]) -> Dict[str, int]:
    """Return ``uid`` and ``gid`` of a daemon from ``daemon.{uid,gid,user,group}``; without settings nothing.

    :param settings: node ``daemon`` of the configuration, or None
    :raises ValueError: no such user or group
    """
    get = settings.get if settings is not None else {}.get  # type: ignore[union-attr]
    identity = {key: get(key) for key in ("uid", "gid") if get(key) is not None}
    user, group = get("user"), get("group")
    try:
        entry = pwd.getpwnam(user) if user is not None else None
        if group is not None:
            identity.setdefault("gid", grp.getgrnam(group).gr_gid)
    except KeyError as exc:
        raise ValueError(f"daemon.user, daemon.group: {exc.args[0]}") from exc
    if entry is not None:
        identity.setdefault("uid", entry.pw_uid)
        identity.setdefault("gid", entry.pw_gid)
    return identity


_PASSED_ON = ("chroot_directory", "working_directory", "umask", "detach_process", "prevent_core")


@contextlib.contextmanager
def as_daemon(pidfile: Optional[str]) -> Iterator[None]:
    """Run the body of the ``with`` statement in the background.

    :param pidfile: path of the pid file; empty or None takes ``daemon.pidfile`` from the configuration
    :raises ValueError: python-daemon is not installed, or ``daemon.*`` is wrong
    :raises OSError: the pid file is in use or cannot be written
    """
    try:
        from daemon import DaemonContext
        from daemon.daemon import DaemonError
    except ImportError as exc:
        raise ValueError("running in the background needs the package 'python-daemon'") from exc
    settings = manager.gettree("daemon")
    path = pidfile or manager.get("daemon.pidfile")
    locked = PidFile(path) if path else None
    if locked is not None:
        locked.check()
    options: Dict[str, Any] = daemon_identity(settings)
    options.update({key: settings[key] for key in _PASSED_ON if settings is not None and key in settings})
    try:
        with DaemonContext(pidfile=locked, **options):
            yield
    except DaemonError as exc:
        raise ValueError(f"cannot run in the background: {exc}") from exc
