"""Sessions of HTTP clients, found again by a cookie (manual 3.2.4, 5.6.6)."""

from __future__ import annotations

import re
from typing import Any, Dict, Mapping, Optional, Tuple, Union
from uuid import uuid4

from vlcp.config import defaultconfig
from vlcp.event.lock import Lock
from vlcp.server.module import Module, api, call_api, depend
from vlcp.service.utils.knowledge import MemoryStorage
from vlcp.utils.http import cookie_line, parse_cookies

_PREFIX = "vlcp.service.utils.session."
_SESSION_ID = re.compile(r"[0-9a-f]{32}")

SetCookie = Tuple[bytes, bytes]


@depend(MemoryStorage)
@defaultconfig
class Session(Module):
    """Keeps variables for each HTTP client, in the memory of this process.

    Whoever knows the id of a session has it: ids are random, only this module makes them, and one that a client invents
    gets a new session with another id.
    """

    service = True
    _default_timeout = 1800
    "Seconds after its last use until a session is forgotten"
    _default_cookiename = "_session_id"
    "Name of the cookie with the id of the session"

    class SessionObject:
        """What is kept of one session.

        :param sessionid: 32 hexadecimal digits
        :ivar id: the same
        :ivar vars: ``{name: value}``, free for applications
        """

        def __init__(self, sessionid: str) -> None:
            self.id = sessionid
            self.vars: Dict[str, Any] = {}

    class SessionHandle:
        """A session in use.

        Routines do not interrupt each other between two waits; who waits between reading and changing a variable takes the
        lock of the session meanwhile.

        :param sessionobj: the :class:`Session.SessionObject`
        :param container: container of the routine that uses it
        :ivar id: id of the session
        :ivar vars: its variables ``{name: value}``; changes are kept at once
        """

        def __init__(self, sessionobj: Session.SessionObject, container: Any) -> None:
            self.sessionobj = sessionobj
            self.container = container
            self.id = sessionobj.id
            self.vars = sessionobj.vars
            self._lock = Lock(sessionobj.id, container.scheduler, _PREFIX)

        async def lock(self) -> None:
            """Wait until no other handle has the lock of this session, and take it."""
            await self._lock.lock(self.container)

        def unlock(self) -> None:
            """Give the lock back; nothing happens if this handle does not have it."""
            self._lock.unlock()

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        routines = self.apiroutine
        self.create_api(
            api(self.start, routines), api(self.create, routines), api(self.get, routines), api(self.destroy, routines)
        )

    async def start(self, cookies, cookieopts=None):
        """Return the session that a client's cookies name, or a new one.

        :param cookies: Cookie header of the request, bytes or str; or ``{name: value}``; None for none
        :param cookieopts: attributes of the cookie for a new session, parameters of :func:`vlcp.utils.http.cookie_line`;
            None for path ``/``, HttpOnly and SameSite=Lax
        :return: (handle, ``[(b'Set-Cookie', value)]`` to send to the client, which may be empty)
        :raises ValueError: the options would break the header
        """
        session_id = _text(_mapping(cookies).get(self.cookiename))
        found = await self.get(session_id) if session_id is not None else None
        if found is not None:
            return found, []
        options = {"httponly": True, "samesite": "Lax", **(cookieopts or {})}
        created = await self.create()
        return created, [_set_cookie(self.cookiename, created.id, **options)]

    async def get(self, sessionid, refresh=True):
        """Return the handle of a session, None if there is no such session (any more).

        :param refresh: count this as a use of the session
        """
        if not isinstance(sessionid, str) or not _SESSION_ID.fullmatch(sessionid):
            return None
        request = {"key": _PREFIX + sessionid, "timeout": self.timeout if refresh else None}
        stored = await call_api(self.apiroutine, "memorystorage", "get", request)
        return None if stored is None else self.SessionHandle(stored, self.apiroutine)

    async def create(self):
        """Make a new session and return its handle."""
        session = self.SessionObject(uuid4().hex)
        request = {"key": _PREFIX + session.id, "value": session, "timeout": self.timeout}
        await call_api(self.apiroutine, "memorystorage", "set", request)
        return self.SessionHandle(session, self.apiroutine)

    async def destroy(self, sessionid):
        """Forget a session; handles that are in use keep their variables, which nobody finds again.

        :return: ``[(b'Set-Cookie', value)]`` that makes the client forget its cookie
        """
        await call_api(self.apiroutine, "memorystorage", "delete", {"key": _PREFIX + sessionid})
        return [_set_cookie(self.cookiename, "deleted", max_age=0, httponly=True)]


def _mapping(cookies: Union[None, bytes, str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if cookies is None:
        return {}
    if isinstance(cookies, (bytes, str)):
        return parse_cookies(cookies.encode("latin-1") if isinstance(cookies, str) else cookies)
    return cookies


def _text(value: Union[None, bytes, str]) -> Optional[str]:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _set_cookie(name: str, value: str, **options: Any) -> SetCookie:
    return b"Set-Cookie", cookie_line(name, value, **options).encode("latin-1")
