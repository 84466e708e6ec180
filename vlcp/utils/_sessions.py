"""The session's part of :class:`vlcp.utils.http.Environment` (manual 5.7.9)."""

from __future__ import annotations

import hmac
import secrets
import ssl
from typing import Any, Mapping, Union

from vlcp.server.module import call_api
from vlcp.utils._request import HttpInputException


class SessionPart:
    """Variables that are kept for a client between its requests; the module ``session`` must be loaded.

    ``session`` is None, or after :meth:`sessionstart` the handle: ``session.vars`` is ``{name: value}``.
    """

    session: Any = None
    container: Any
    connection: Any
    headerdict: Mapping[bytes, bytes]

    async def sessionstart(self) -> None:
        """Find the client's session, or begin a new one; ``session`` is its handle. Called again it does nothing.

        :raises APINotFoundException: the module ``session`` is not loaded
        :raises ValueError: a new session needs a cookie, and the head was sent already
        """
        if self.session is not None:
            return
        options = {"secure": True} if isinstance(self.connection.socket, ssl.SSLSocket) else None
        request = {"cookies": self.headerdict.get(b"cookie"), "cookieopts": options}
        handle, cookies = await call_api(self.container, "session", "start", request)
        self._add_cookies(cookies)
        self.session = handle

    async def sessiondestroy(self) -> None:
        """Forget the client's session, if there is one; the present handle stays usable for this request only.

        :raises ValueError: the head was sent already
        """
        await self.sessionstart()
        handle, self.session = self.session, None
        self._add_cookies(await call_api(self.container, "session", "destroy", {"sessionid": handle.id}))

    def _add_cookies(self, headers: Any) -> None:
        for _, line in headers:
            self._add_cookie(line)  # type: ignore[attr-defined]

    async def createcsrf(self, csrfarg: str = "_csrf") -> str:
        """Return the session's token against forged requests, which is made when it is asked for first.

        A form carries it as an argument, and :meth:`Dispatcher.routeargs` compares it with ``csrfcheck=True``.

        :param csrfarg: name of the argument and of the session's variable
        """
        await self.sessionstart()
        return self.session.vars.setdefault(csrfarg, secrets.token_hex(16))

    def check_csrf(self, token: Union[None, bytes, str], csrfarg: str = "_csrf") -> None:
        """Compare what a request carries with the session's token; the session must be started.

        :raises HttpInputException: they differ, or there are none (status 403)
        """
        expected = self.session.vars.get(csrfarg)
        given = token.encode("utf-8") if isinstance(token, str) else token
        if not expected or not isinstance(given, bytes) or not hmac.compare_digest(given, expected.encode("utf-8")):
            raise HttpInputException("argument %s is not the token of this session" % (csrfarg,), status=403)
