"""Is this controller alive, and is it ready: for supervisors and load balancers."""

from __future__ import annotations

import json
from typing import Any, Dict

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, call_api, depend, offering
from vlcp.service.connection import httpserver
from vlcp.utils.exceptions import APINotFoundException, APIRejectedException, ModuleAPICallTimeoutException
from vlcp.utils.http import Environment, HttpHandler

_NO_ANSWER = (APINotFoundException, APIRejectedException, ModuleAPICallTimeoutException)


class _Pages(HttpHandler):
    """Serves the two pages."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent.scheduler, False, parent.vhostbind)
        self._parent = parent
        self.dispatcher.route(parent.livepath.encode("ascii"), self._live, self)
        self.dispatcher.route(parent.readypath.encode("ascii"), self._ready, self)

    async def _live(self, env: Environment) -> None:
        """The scheduler runs, or this would not be sent."""
        self._answer(env, 200, {"status": "ok"})

    async def _ready(self, env: Environment) -> None:
        problems = await self._parent.problems()
        self._answer(env, 503 if problems else 200, {"status": "not ready" if problems else "ok", "problems": problems})

    @staticmethod
    def _answer(env: Environment, status: int, content: Dict[str, Any]) -> None:
        env.start_response(status, [(b"Content-Type", b"application/json"), (b"Cache-Control", b"no-store")])
        env.outputdata(json.dumps(content) + "\n")


@defaultconfig
@depend(httpserver.HttpServer)
class Health(Module):
    """Serves ``/livez``, which answers while the process works, and ``/readyz``, which says whether it does its job.

    A module takes part by an API ``ready`` that returns None, or one line that says what is missing.
    """

    service = False
    _default_vhostbind = "api"
    "Virtual host of the HTTP server to serve on"
    _default_livepath = "/livez"
    "Path of the page that answers as long as the process works"
    _default_readypath = "/readyz"
    "Path of the page that answers 200 when the controller does its job, else 503 with the reasons"
    _default_timeout = 5
    "Seconds that one module may take to answer"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.routines.append(_Pages(self))
        self.create_api(api(self.problems, self.apiroutine))

    async def problems(self):
        """Ask all modules whether they do their job.

        :return: ``{module: reason}``, empty when this controller is ready; ``server`` is for modules that are still being
            loaded or could not be
        """
        found: Dict[str, str] = {}
        if self.server.failures:
            found["server"] = "; ".join(self.server.failures)
        elif not self.server.started:
            found["server"] = "modules are being loaded"
        names = offering(self.scheduler, "ready")
        answers = await self.apiroutine.execute_all([self._ask(name) for name in names])
        found.update((name, answer) for name, answer in zip(names, answers) if answer is not None)
        return found

    async def _ask(self, name: str) -> Any:
        try:
            return await call_api(self.apiroutine, name, "ready", {}, self.timeout)
        except _NO_ANSWER as error:
            return str(error)
