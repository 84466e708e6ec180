"""Calls of module APIs of another server, through its Web API (manual 3.2.4, 5.6.6)."""

from __future__ import annotations

import json
import logging
from typing import Any, List, Mapping
from urllib.parse import quote

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, call_api
from vlcp.utils.jsonencoder import encode_default
from vlcp.utils.webclient import Response, WebClient, WebException

logger = logging.getLogger(__name__)

_CALL_MARGIN = 20


@defaultconfig
class RemoteCall(Module):
    """Sends API calls to the Web APIs of other servers::

    module.remotecall.target_url_map = {'viperflow': ['http://first:8081', 'http://second:8081']}
    """

    service = False
    _default_target_url_map = {}
    "{module: [URL of a Web API with its root path, ...]}; the first server that can be reached gets the call"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.client = WebClient()
        self.create_api(api(self.call, self.apiroutine))

    async def unload(self, container: Any, force: bool = False) -> None:
        """Close the connections to the servers."""
        await super().unload(container, force)
        await self.client.shutdown()

    async def call(self, remote_module, method, timeout, params):
        """Call an API of a module of another server and return its result.

        :param remote_module: name of the module, a key of ``target_url_map``
        :param method: name of the API
        :param timeout: seconds for all servers together; None for no limit
        :param params: ``{parameter: value}``
        :raises WebException: a server answered, but not with a result; the text of its error is in the message
        :raises OSError: no server is configured for the module, or none can be reached
        :raises TypeError: a parameter has no form in JSON
        """
        body = json.dumps(params, default=encode_default).encode("utf-8")
        path = "/%s/%s" % (quote(remote_module, safe=""), quote(method, safe=""))
        urls = self._urls(remote_module)
        clock = self.scheduler
        deadline = None if timeout is None else clock.current_time + timeout
        for number, url in enumerate(urls, 1):
            share = None if deadline is None else max(deadline - clock.current_time, 0) / (len(urls) - number + 1)
            try:
                timed_out, result = await self.apiroutine.execute_with_timeout(share, self._post(url + path, body))
                if not timed_out:
                    return result
                reason: Any = "no answer in %g s" % (share,)
            except WebException:
                raise
            except OSError as error:
                reason = error
            logger.warning("remote call %s failed at %s: %s", path, url, reason)
        raise OSError("no server can be reached for %s/%s: %s" % (remote_module, method, reason))

    def _urls(self, name: str) -> List[str]:
        found = self.target_url_map.get(name)
        urls = [found] if isinstance(found, str) else list(found or ())
        if not urls:
            raise OSError("no server is configured for module %r in module.remotecall.target_url_map" % (name,))
        return [url.rstrip("/") for url in urls]

    async def _post(self, url: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        response = await self.client.urlopen(self.apiroutine, url, body, b"POST", headers, ignorewebexception=True)
        return _result(response, await self.client.content(self.apiroutine, response))


def _result(response: Response, data: bytes) -> Any:
    """Return the result in an answer of a Web API.

    :raises WebException: it has none
    """
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    if response.status < 400 and isinstance(answer, dict) and "result" in answer:
        return answer["result"]
    text = answer.get("error") if isinstance(answer, dict) else None
    error = WebException("%d of %s: %s" % (response.status, response.url, text or "no result in the answer"))
    error.response = response
    raise error


async def remote_api(
    container: Any,
    targetname: str,
    name: str,
    params: Mapping[str, Any] = {},  # noqa: B006 - never changed
    timeout: float = 60.0,
) -> Any:
    """Call an API of a module of another server; the module ``remotecall`` must be loaded.

    :param container: container of the calling routine
    :param targetname: name of the module
    :param name: name of the API
    :param params: ``{parameter: value}``
    :param timeout: seconds
    :raises OSError: as :meth:`RemoteCall.call`
    """
    request = {"remote_module": targetname, "method": name, "timeout": timeout, "params": dict(params)}
    return await call_api(container, "remotecall", "call", request, timeout + _CALL_MARGIN)


remoteAPI = remote_api
