"""The command ``vlcp-start`` (manual 5.8)."""

from __future__ import annotations

import getopt
import os
import sys
from typing import Any, Dict, List, Optional

import vlcp
from vlcp.server import main as server_main

doc = """usage: vlcp-start [-f FILE] [-d] [-p PIDFILE] [-F N] [MODULE ...]

Starts the modules that the configuration file names.

  -f FILE     configuration file; /etc/vlcp.conf when it exists; '' for none
  -d          run in the background (needs the package python-daemon)
  -p PIDFILE  pid file of -d; /var/run/vlcp.pid
  -F N        run N processes; set protocol.default.reuseport=True with it
  --version   print the version
  -h, -?, --help
              print this text
  MODULE      loading path of a module to start, in the place of server.startup
"""

DEFAULT_CONFIG = "/etc/vlcp.conf"
DEFAULT_PIDFILE = "/var/run/vlcp.pid"
USAGE_STATUS = 2
ERROR_STATUS = 1


class _UsageError(Exception):
    """The command line is wrong."""


def usage() -> None:
    """Print how the command is used."""
    print(doc, end="")


def parsearg(argv: Optional[List[str]] = None) -> Dict[str, Any]:
    """Return the parameters of :func:`vlcp.server.main` that a command line stands for.

    Help and version are printed and end the process, with status 2 and 0; an error ends it with status 2.

    :param argv: arguments without the name of the command; None for those of this process
    :raises SystemExit: as said above
    """
    try:
        options, modules = _parse(sys.argv[1:] if argv is None else argv)
    except _UsageError as exc:
        print(f"vlcp-start: {exc} (see vlcp-start --help)", file=sys.stderr)
        raise SystemExit(USAGE_STATUS) from None
    if any(key in options for key in ("-h", "-?", "--help")):
        usage()
        raise SystemExit(USAGE_STATUS)
    if "--version" in options:
        print(f"vlcp {vlcp.__version__}")
        raise SystemExit(0)
    return {
        "configpath": _config_path(options.get("-f")),
        "startup": modules or None,
        "daemon": "-d" in options,
        "pidfile": options.get("-p", DEFAULT_PIDFILE) or None,
        "fork": int(options["-F"]) if "-F" in options else None,
    }


def _parse(argv: List[str]) -> Any:
    try:
        pairs, modules = getopt.gnu_getopt(argv, "f:dp:F:h?", ["help", "version"])
    except getopt.GetoptError as exc:
        raise _UsageError(exc.msg) from None
    options = dict(pairs)
    workers = options.get("-F", "1")
    if not workers.isdecimal() or not 1 <= int(workers) <= 1024:
        raise _UsageError(f"option -F needs a number of processes from 1 to 1024, got {workers!r}")
    return options, modules


def _config_path(given: Optional[str]) -> Optional[str]:
    if given is not None:
        return given or None
    if os.path.exists(DEFAULT_CONFIG):
        return DEFAULT_CONFIG
    print(f"vlcp-start: {DEFAULT_CONFIG} not found, starting without a configuration file", file=sys.stderr)
    return None


def main() -> int:
    """Run the command line of this process and return the exit status."""
    parameters = parsearg()
    try:
        return server_main(**parameters)
    except OSError as exc:
        print(f"vlcp-start: {_reason(exc)}", file=sys.stderr)
    except ValueError as exc:
        print(f"vlcp-start: {exc}", file=sys.stderr)
    return ERROR_STATUS


def _reason(exc: OSError) -> str:
    return str(exc) if exc.filename is None else f"cannot use {exc.filename!r}: {exc.strerror}"


def default_start() -> None:
    """Run the command line of this process and end the process with the exit status."""
    sys.exit(main())


if __name__ == "__main__":
    default_start()
