"""Tokens for the Web API: who may call what (RFC 6750)."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from vlcp.config import defaultconfig
from vlcp.server.module import Module, api, publicapi
from vlcp.utils.http import HttpInputException

_logger = logging.getLogger(__name__)

_SCHEME = "bearer"
_DIGEST_LETTERS = set("0123456789abcdef")


class Grant(NamedTuple):
    """What the holder of a token may call.

    :param name: who holds it, for the log
    :param digest: SHA-256 of the token, in lower-case hexadecimal digits
    :param calls: patterns ``module/api``, ``module/*`` or ``*``
    """

    name: str
    digest: str
    calls: Tuple[str, ...]

    def allows(self, target: str, name: str) -> bool:
        """Tell whether an API may be called."""
        return any(pattern in ("*", f"{target}/*", f"{target}/{name}") for pattern in self.calls)


def parse_grants(text: str, source: str) -> List[Grant]:
    """Return the grants of a token file.

    Each line has a name, the SHA-256 of a token in hexadecimal digits, and what may be called, separated by blanks;
    nothing after ``#`` counts. Without patterns everything may be called.

    :param source: name of the file, for messages
    :raises ValueError: a line is wrong; the message names file and line
    """
    grants = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 2 or len(words[1]) != 64 or not set(words[1].lower()) <= _DIGEST_LETTERS:
            raise ValueError(f"{source}, line {number}: expected a name and the SHA-256 of a token")
        wrong = [pattern for pattern in words[2:] if pattern != "*" and pattern.count("/") != 1]
        if wrong:
            raise ValueError(f"{source}, line {number}: expected module/api, module/* or *, got {wrong[0]!r}")
        grants.append(Grant(words[0], words[1].lower(), tuple(words[2:]) or ("*",)))
    return grants


def read_grants(path: str) -> List[Grant]:
    """Return the grants of a file that others may not write.

    :raises OSError: it cannot be read
    :raises ValueError: its content is wrong, or others may write it
    """
    with open(path, encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"{path}: others may write this file of tokens")
        return parse_grants(file.read(), path)


def find_grant(grants: List[Grant], token: str) -> Optional[Grant]:
    """Return the grant of a token, None if there is none; takes the same time for every wrong one."""
    digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
    found = None
    for grant in grants:
        if hmac.compare_digest(grant.digest, digest):
            found = grant
    return found


class Unauthorized(HttpInputException):
    """There is no token, or a wrong one.

    :ivar challenge: value of the header WWW-Authenticate
    """

    challenge = b'Bearer realm="vlcp"'

    def __init__(self, text: str) -> None:
        super().__init__(text, status=401)


@defaultconfig
class TokenAuth(Module):
    """Lets only holders of a token call the Web API.

    ::

        module.webapi.authmethod = 'bearertoken'
        module.tokenauth.tokenfile = '/etc/vlcp/tokens'

    Clients send ``Authorization: Bearer <token>``. The file has the SHA-256 of each token, never the token itself.
    """

    service = False
    _default_tokenfile = None
    "File with one line for each token: name, SHA-256 of the token, and patterns of what may be called"
    _default_openapis = ()
    "Patterns of calls that need no token: module/api, module/* or *"

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._open = Grant("anybody", "", tuple(self.openapis))
        self._grants: List[Grant] = []
        self.create_api(publicapi(self.bearertoken), api(self.reloadtokens), api(self.listtokens))

    async def load(self, container: Any) -> None:
        """Read the file.

        :raises OSError: it cannot be read
        :raises ValueError: it is not configured, or its content is wrong
        """
        self.reloadtokens()
        await super().load(container)

    def bearertoken(self, env, targetname, name, params):
        """Let a request pass whose token grants the call.

        :raises Unauthorized: it has no token, or a wrong one
        :raises HttpInputException: 403, the token does not grant this call
        """
        if self._open.allows(targetname, name):
            return
        scheme, _, token = env.headerdict.get(b"authorization", b"").decode("latin-1").partition(" ")
        if scheme.lower() != _SCHEME or not token.strip():
            raise Unauthorized("a token is needed: Authorization: Bearer <token>")
        grant = find_grant(self._grants, token.strip())
        if grant is None:
            _logger.warning("%r: wrong token for %s/%s", env.connection, targetname, name)
            raise Unauthorized("the token is not valid")
        if not grant.allows(targetname, name):
            raise HttpInputException(f"{grant.name} may not call {targetname}/{name}", status=403)

    def reloadtokens(self):
        """Read the file of tokens again; when it is wrong, the tokens read before stay valid.

        :return: number of tokens
        :raises OSError: it cannot be read
        :raises ValueError: it is not configured, or its content is wrong
        """
        if not self.tokenfile:
            raise ValueError("module.tokenauth.tokenfile is not configured")
        self._grants = read_grants(self.tokenfile)
        return len(self._grants)

    def listtokens(self) -> Dict[str, List[str]]:
        """Return the names of the holders of tokens and what they may call."""
        return {grant.name: list(grant.calls) for grant in self._grants}
