"""A chat for browsers: ``python webchat.py [configuration file]``, then open http://localhost:8080/

Files come from the module ``static``, names are kept by the module ``session``, what is said travels as events of the
scheduler: each open page is one routine that waits for them and writes to its browser (server-sent events).
"""

import json
import sys
from collections import deque

from vlcp.config import defaultconfig, manager
from vlcp.event.event import Event, with_indices
from vlcp.protocol.http import HttpConnectionStateEvent
from vlcp.server import main
from vlcp.server.module import Module, depend
from vlcp.service.connection.httpserver import HttpServer
from vlcp.service.utils.session import Session
from vlcp.service.web.static import Static
from vlcp.utils.http import HttpHandler, HttpInputException

HEARTBEAT_S = 15  # So often something is written to each page, so that closed ones are noticed
LONGEST_NAME, LONGEST_TEXT = 30, 2000


@with_indices()
class Said(Event):
    """Somebody has said something; it is in the history already."""


class Pages(HttpHandler):
    """What browsers ask for besides files."""

    def __init__(self, parent):
        super().__init__(parent.scheduler)
        self.parent = parent

    @HttpHandler.route(b"/chat/me")
    async def me(self, env):
        """Tell the page its name and the token that its requests must carry."""
        token = await env.createcsrf()
        env.header("Cache-Control", "no-store")
        env.outputjson({"name": env.session.vars.get("name"), "token": token})

    @HttpHandler.routeargs(b"/chat/enter", csrfcheck=True)
    async def enter(self, env, name):
        """Give the browser a name that nobody has."""
        name = name.strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise HttpInputException("a name has 1 to %d printable characters" % (LONGEST_NAME,))
        if self.parent.names.get(name, env.session.id) != env.session.id:
            raise HttpInputException("somebody has this name", status=409)
        self.forget(env.session)
        self.parent.names[name] = env.session.id
        env.session.vars["name"] = name
        env.outputjson({"name": name})

    @HttpHandler.routeargs(b"/chat/say", csrfcheck=True, sessionargs=("name",))
    async def say(self, env, text, name=None):
        """Tell all pages what somebody says."""
        if name is None:
            raise HttpInputException("tell your name first", status=403)
        if not 0 < len(text) <= LONGEST_TEXT:
            raise HttpInputException("a text has 1 to %d characters" % (LONGEST_TEXT,))
        self.parent.add(name, text)
        env.start_response(204)

    @HttpHandler.routeargs(b"/chat/leave", csrfcheck=True)
    async def leave(self, env):
        """Forget the name and the session of the browser."""
        self.forget(env.session)
        await env.sessiondestroy()
        env.start_response(204)

    def forget(self, session):
        """Let others have the name of a session."""
        self.parent.names.pop(session.vars.pop("name", None), None)

    @HttpHandler.route(b"/chat/events")
    async def events(self, env):
        """Write all that is said to one page, as long as it is open."""
        last = int(env.headerdict.get(b"last-event-id", b"0").decode("ascii"))
        env.start_response(200, [(b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"no-store")], True, True)
        said = Said.createMatcher()
        closed = env.protocol.statematcher(env.connection, HttpConnectionStateEvent.SERVER_CLOSE)
        while not env.disconnected:
            news = [line for line in self.parent.history if line["number"] > last]
            last = news[-1]["number"] if news else last
            # While this waits for a slow browser others may speak: the history is looked at again before the next wait.
            await env.write(
                "".join("id: %d\ndata: %s\n\n" % (one["number"], json.dumps(one)) for one in news) or ":\n\n", False, False
            )
            if self.parent.last == last:
                await self.wait_with_timeout(HEARTBEAT_S, said, closed)


@defaultconfig
@depend(HttpServer, Session, Static)
class WebChat(Module):
    """One room; its last lines are kept."""

    _default_kept = 100
    "Lines that a new page shows"

    def __init__(self, server):
        super().__init__(server)
        self.history = deque(maxlen=self.kept)
        self.names = {}
        self.last = 0
        self.routines.append(Pages(self))

    def add(self, name, text):
        """Add a line to the history and wake up the pages."""
        self.last += 1
        self.history.append({"number": self.last, "name": name, "text": text})
        self.scheduler.emergesend(Said())


if __name__ == "__main__":
    manager["module.static.dir"] = "page"
    manager["module.static.map"] = {"/": "page/index.html"}
    manager["module.static.extraheaders"] = [
        ("Content-Security-Policy", "default-src 'self'"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    sys.exit(main(*sys.argv[1:2]))
