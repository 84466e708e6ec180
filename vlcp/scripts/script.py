"""Base of programs that use modules and end: data base migration and the like (manual 5.4.3)."""

from __future__ import annotations

import getopt
import inspect
import logging
import sys
from typing import Any, List, Optional, Tuple

from vlcp.config import defaultconfig, manager
from vlcp.server.module import Module
from vlcp.server.server import main as server_main

logger = logging.getLogger(__name__)

USAGE_STATUS = 2


@defaultconfig
class ScriptModule(Module):
    """Base script module: a subclass writes :meth:`run` and is started by ``Subclass.main()``.

    :cvar options: command line options, each ``(long name, short name or None[, takes an argument])``; an option takes
        an argument if it does not say False
    """

    options: Tuple[tuple, ...] = ()

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.apiroutine.main = self._run_and_stop  # type: ignore[method-assign]
        self.routines.append(self.apiroutine)

    async def _run_and_stop(self) -> None:
        try:
            await self.run(*manager.get("main.args", ()), **manager.get("main.kwargs", {}))
        except Exception:
            logger.exception("script %s failed", self.get_service_name())
        finally:
            self.scheduler.quit()

    async def run(self, *argv: Any, **kwargs: Any) -> None:
        """Do the work of the script.

        :param argv: positional arguments of the command line
        :param kwargs: options by long name; one without an argument is the empty string
        """

    @classmethod
    def main(cls) -> None:
        """Run the script with the command line of this process, and end the process.

        ``-f FILE`` is the configuration file, ``-h``, ``-?`` and ``--help`` print the documentation of the class.

        :raises SystemExit: with status 0, or 2 when the command line is wrong
        """
        try:
            configpath = cls._parse(sys.argv[1:])
            status = server_main(configpath, (cls.get_full_path(),))
        except getopt.GetoptError as exc:
            print(f"{exc.msg}\n\n{inspect.getdoc(cls)}", file=sys.stderr)
            status = USAGE_STATUS
        except (OSError, ValueError) as exc:
            print(exc, file=sys.stderr)
            status = 1
        sys.exit(status)

    @classmethod
    def _parse(cls, argv: List[str]) -> Optional[str]:
        """Store arguments and options in the configuration; return the path of the configuration file."""
        names, short, long = {}, "f:h?", ["help"]
        for name, letter, *rest in cls.options:
            takes = not rest or rest[0]
            long.append(name + ("=" if takes else ""))
            names["--" + name] = name
            if letter:
                short += letter + (":" if takes else "")
                names["-" + letter] = name
        pairs, arguments = getopt.gnu_getopt(argv, short, long)
        given = dict(pairs)
        if {"-h", "-?", "--help"} & given.keys():
            print(inspect.getdoc(cls))
            raise SystemExit(0)
        manager["main.args"] = tuple(arguments)
        manager["main.kwargs"] = {names[key]: value for key, value in pairs if key in names}
        return given.get("-f")
