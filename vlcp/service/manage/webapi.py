"""Module APIs over HTTP (manual 3.2.2, 5.6.5)."""

from __future__ import annotations

import json
import logging
import re
import socket
import traceback
from typing import Any, Dict, Optional, Set

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, call_api, depend, describe_apis
from vlcp.service.connection import httpserver
from vlcp.service.manage._openapi import document
from vlcp.service.manage._params import extend_types, is_other_site, is_own_host, one_line, parse_json, status_of
from vlcp.utils.http import Environment, HttpExitException, HttpHandler, HttpInputException, host_name
from vlcp.utils.jsonencoder import JsonFormat
from vlcp.utils.metrics import COUNTER, Counters, Metric

logger = logging.getLogger(__name__)

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class WebAPIHandler(HttpHandler):
    """Serves ``<rootpath>/<module>/<api>``.

    :param parent: the :class:`WebAPI` module with the settings
    """

    def __init__(self, parent: Any) -> None:
        super().__init__(parent.scheduler, False, parent.vhostbind)
        self.parent = parent
        self.jsonformat = JsonFormat()

    def start(self, asyncStart: bool = False) -> Any:
        """Serve requests from now on."""
        root = self.parent.rootpath.strip("/")
        prefix = re.escape(("/" + root + "/" if root else "/").encode("utf-8"))
        host = self.parent.hostbind
        self.dispatcher.route(prefix + rb"([^/]+)/([^/]+)/?", self._call, self, host, None, self.parent.acceptmethods)
        self.dispatcher.route(prefix + rb"openapi\.json", self._describe, self, host, None, [b"GET", b"HEAD"])
        return super().start(asyncStart)

    async def _call(self, env: Environment) -> None:
        """Answer one request; the border where what an API call raises becomes a status."""
        names = "?"
        try:
            self._check_site(env)
            target, name = (one.decode("utf-8") for one in env.path_match.groups())
            names = "%s/%s" % (target, name)
            self._check_target(target)
            params = await self._params(env)
            await self._authenticate(env, target, name, params)
            if not env.sent:
                await self.apiHandler(env, target, name, **params)
                self.parent.count(names, 200)
        except HttpExitException:
            raise
        except Exception as error:
            await self._fail(env, names, error)

    async def _describe(self, env: Environment) -> None:
        """Answer with the OpenAPI document of all modules that may be called."""
        names = "webapi/openapi"
        try:
            self._check_site(env)
            await self._authenticate(env, "webapi", "openapi", {})
            if not env.sent:
                env.header(b"Content-Type", b"application/json")
                env.outputdata(json.dumps(self.parent.openapi(), default=str))
        except HttpExitException:
            raise
        except Exception as error:
            await self._fail(env, names, error)

    async def apiHandler(self, env: Environment, targetname: str, methodname: str, /, **kwargs: Any) -> None:
        """Call an API and send its result as JSON.

        :param targetname: module or ``public``
        :param methodname: name of the API
        :param kwargs: the parameters of the call
        :raises Exception: what the call raises
        """
        result = await call_api(self, targetname, methodname, kwargs, self.parent.timeout)
        body = json.dumps({"result": result}, default=self.jsonformat.jsonencoder)
        env.header(b"Content-Type", b"application/json")
        env.outputdata(body)

    def _check_site(self, env: Environment) -> None:
        """Refuse what a page of another site could have made a browser send, also by a name that it points to us."""
        host = env.host.decode("latin-1")
        address = env.connection.localaddr
        is_network = isinstance(address, tuple)
        if is_network and not is_own_host(host_name(env.host).decode("latin-1"), self._names(address[0])):
            raise _Refused("this server is not called %r" % (host,))
        origin, fetch_site = (env.headerdict.get(name) for name in (b"origin", b"sec-fetch-site"))
        if is_other_site(host, _text(origin), _text(fetch_site)):
            raise _Refused("request comes from another site")

    def _names(self, address: str) -> Set[str]:
        names = self.parent.hostnames
        if names is None:
            return {self.parent.machine_name, address.partition("%")[0]}
        return {name.lower().strip("[]") for name in names}

    def _check_target(self, target: str) -> None:
        if not self.parent.may_be_called(target):
            raise _Refused("calls of module %r are not allowed" % (target,))

    async def _params(self, env: Environment) -> Dict[str, Any]:
        parent = self.parent
        if env.method != b"POST":
            env.argstostr()
            values = env.args
        else:
            kind, _, rest = env.headerdict.get(b"content-type", b"").decode("latin-1").partition(";")
            kind = kind.strip().lower()
            if kind == "application/json" and parent.acceptjson:
                charset = re.search(r"(?i)charset\s*=\s*\"?([\w.\-]+)", rest)
                body = await env.readbody(parent.bodylimit)
                return parse_json(body, charset and charset.group(1)) if body.strip() else {}
            if kind and kind not in _FORMS:
                raise HttpInputException("content type %.80r is not supported" % (kind,), status=415)
            await env.parseform(parent.bodylimit)
            values = env.form
        return extend_types(values) if parent.typeextension else dict(values)

    async def _authenticate(self, env: Environment, target: str, name: str, params: Dict[str, Any]) -> None:
        parent = self.parent
        if parent.authmethod is not None:
            request = {"env": env, "targetname": target, "name": name, "params": params}
            try:
                await call_api(self, parent.authtarget, parent.authmethod, request, parent.timeout)
            except (HttpExitException, HttpInputException):
                raise
            except Exception as error:
                if status_of(error) != 500:
                    raise
                raise _Refused(one_line(error)) from error

    async def _fail(self, env: Environment, names: str, error: Exception) -> None:
        status = error.status if isinstance(error, HttpInputException) else status_of(error)
        if status == 500:
            logger.error("API call %s failed", names, exc_info=error)
        else:
            logger.info("API call %s refused with %d: %s", names, status, one_line(error))
        self.parent.count(names, status)
        if env.sent:
            return
        challenge = getattr(error, "challenge", None)
        headers = [] if challenge is None else [(b"WWW-Authenticate", challenge)]
        if not self.parent.errordetails:
            await env.error(status, headers=headers)
            return
        answer = {"error": one_line(error)}
        if self.parent.errortrace:
            answer["trace"] = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        env.start_response(status, [(b"Content-Type", b"application/json"), *headers])
        env.outputdata(json.dumps(answer))


class _Refused(HttpInputException):
    """The request is not allowed."""

    def __init__(self, text: str) -> None:
        super().__init__(text, status=403)


def _text(value: Optional[bytes]) -> Optional[str]:
    return None if value is None else value.decode("latin-1")


@defaultconfig
@depend(httpserver.HttpServer)
class WebAPI(Module):
    """Serves the APIs of modules to HTTP clients.

    Free access to any module API is like access to the machine: bind it to loopback or protect it. Requests that name
    another server, or come from pages of other sites, are refused.
    """

    service = False
    _default_vhostbind = "api"
    "Virtual host of the HTTP server to serve on"
    _default_hostbind = None
    "Only serve requests with this Host header; None for any of hostnames"
    _default_hostnames = None
    "Names of this server besides localhost; None for this machine's name and the address a connection came to"
    _default_rootpath = "/"
    "Path that the APIs are below: <rootpath>/<module>/<api>"
    _default_acceptmethods = [b"GET", b"POST"]
    "Methods that are accepted"
    _default_acceptjson = True
    "Take parameters of a POST request as a JSON object too"
    _default_authtarget = "public"
    "Module whose API decides about requests"
    _default_authmethod = None
    "That API; it gets env, targetname, name and params, and refuses a request by raising an exception. None for none"
    _default_allowtargets = None
    "The only modules whose APIs may be called; None for all"
    _default_denytargets = None
    "Modules whose APIs may not be called; not used with allowtargets"
    _default_typeextension = True
    "Take a value between back-quotes as a Python literal"
    _default_errordetails = True
    "Answer errors with their text as JSON; False answers with an error page"
    _default_errortrace = False
    "Answer errors with their traceback too"
    _default_bodylimit = 16777216
    "Largest body in bytes"
    _default_timeout = 60
    "Seconds that an API call may take"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self.machine_name = socket.gethostname().lower()
        self._calls = Counters("module", "api", "status")
        self.apiroutine = WebAPIHandler(self)
        self.routines.append(self.apiroutine)
        self.create_api(api(self.openapi), api(self.metrics))

    def may_be_called(self, target: str) -> bool:
        """Tell whether ``allowtargets`` and ``denytargets`` let a module be called."""
        if self.allowtargets is not None:
            return target in self.allowtargets
        return target not in (self.denytargets or ())

    def count(self, names: str, status: int) -> None:
        """Count a call. A refused one may have any name, and counting each would cost memory without end: they count as one.

        :param names: ``module/api``
        :param status: status of the answer
        """
        module, _, name = names.partition("/")
        self._calls.add(*(("", "") if 400 <= status < 500 else (module, name)), str(status))

    def metrics(self):
        """Return the numbers of calls; see :class:`~vlcp.utils.metrics.Metric`."""
        return [Metric("vlcp_api_calls", COUNTER, "Calls of the Web API by status.", self._calls.samples())]

    def openapi(self):
        """Return the OpenAPI 3.1 document of the APIs that may be called."""
        described = describe_apis(self.scheduler)
        offered = {target: apis for target, apis in described.items() if self.may_be_called(target)}
        return document(offered, self.rootpath, self.authmethod is not None)
