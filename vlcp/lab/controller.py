"""One controller process of a laboratory and its Web API."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from typing import Any, Mapping

from vlcp.lab._plan import API_PORT, LabPlan, config_text, controller_config
from vlcp.lab._process import LabProcess
from vlcp.lab._shell import LabError, inside, run, wait_until


class ApiError(LabError):
    """The Web API refused a call.

    :ivar status: HTTP status
    :ivar error: the answer's ``error`` text
    """

    def __init__(self, call: str, status: int, error: str) -> None:
        super().__init__(f"{call}: {status} {error}")
        self.status = status
        self.error = error


class Controller:
    """Starts, stops and calls the controller of one hypervisor.

    :param plan: the laboratory
    :param host: name of the hypervisor
    """

    def __init__(self, plan: LabPlan, host: str) -> None:
        self.host = host
        self.namespace = plan.namespace(host)
        self.directory = os.path.join(plan.directory, host)
        self.plan = plan
        self.extra_config: dict[str, Any] = {}
        self._process = LabProcess(self.namespace, self.directory, "controller")

    @property
    def log_path(self) -> str:
        """Path of the file that gets the controller's log."""
        return self._process.log_path

    @property
    def pid(self) -> int | None:
        """Process id, or ``None`` when no controller runs."""
        return self._process.pid

    def start(self, wait: bool = True) -> None:
        """Start the controller, and with ``wait`` return when its Web API answers.

        :raises LabError: it runs already, or ended at once; the message has the last line of its log
        """
        if self.pid is not None:
            raise LabError(f"the controller of {self.host} runs already")
        config_path = os.path.join(self.directory, "vlcp.conf")
        with open(config_path, "w", encoding="utf-8") as config:
            config.write(config_text(controller_config(self.plan, self.host, self.extra_config)))
        self._process.start([sys.executable, "-m", "vlcp.start", "-f", config_path])
        if wait:
            self.wait_ready()

    def wait_ready(self, timeout_s: float = 20) -> None:
        """Return when the Web API answers.

        :raises LabError: it does not within ``timeout_s`` seconds, or the process ended
        """
        wait_until(self._is_ready, timeout_s, f"the Web API of {self.host}", step_s=0.05)

    def _is_ready(self) -> bool:
        if self.pid is None:
            raise LabError(f"the controller of {self.host} ended: {self._last_log_line()}")
        try:
            return "viperflow" in self.api("manager", "activemodules")
        except LabError:
            return False

    def _last_log_line(self) -> str:
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            lines = log.read().strip().splitlines()
        return lines[-1] if lines else "it logged nothing"

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 10) -> None:
        """Send a signal to the controller and wait for its end; SIGKILL follows when it takes longer than ``timeout_s``."""
        self._process.end(number, timeout_s)

    def kill(self) -> None:
        """End the controller with SIGKILL, as a crash would."""
        self.stop(signal.SIGKILL)

    def curl(self, module: str, name: str, parameters: Mapping[str, str], timeout_s: float = 60) -> tuple[str, Any]:
        """Call an API with a form as in the manual; return the ``curl`` command as a user would type it, and the result.

        :param parameters: strings; values that are not strings to the API stand between back-quotes
        :raises ApiError: the API refused
        :raises LabError: no answer
        """
        form = "&".join(f"{key}={value}" for key, value in parameters.items())
        command = ["curl", "-g", *(["-d", form] if form else []), f"http://localhost:{API_PORT}/{module}/{name}"]
        return shlex.join(command), self._call(command, f"{module}/{name}", timeout_s, None)

    def api(self, module: str, name: str, /, *, timeout_s: float = 60, **parameters: Any) -> Any:
        """Call an API with a JSON body and return its result.

        :raises ApiError: the API refused
        :raises LabError: no answer
        """
        command = ["curl", "-g", f"http://localhost:{API_PORT}/{module}/{name}"]
        if not parameters:
            return self._call(command, f"{module}/{name}", timeout_s, None)
        command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        return self._call(command, f"{module}/{name}", timeout_s, json.dumps(parameters))

    def _call(self, command: list[str], what: str, timeout_s: float, body: str | None) -> Any:
        options = ["-s", "-S", "-m", f"{timeout_s:g}", "-w", "\n%{http_code}"]
        answer = run(inside(self.namespace, [command[0], *options, *command[1:]]), timeout_s=timeout_s + 5, stdin=body)
        text, _, status = answer.rpartition("\n")
        try:
            content = json.loads(text)
        except ValueError:
            raise ApiError(f"{self.host} {what}", int(status), text.strip()[:200]) from None
        if status != "200":
            raise ApiError(f"{self.host} {what}", int(status), str(content.get("error")))
        return content["result"]
