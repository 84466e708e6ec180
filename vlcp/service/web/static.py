"""Files served over HTTP (manual 3.2.4, 5.6.7)."""

from __future__ import annotations

import importlib
import logging
import mimetypes
import os
import re
import sys
from functools import partial
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote, urlsplit

from vlcp.config import defaultconfig
from vlcp.event.stream import FileStream
from vlcp.protocol.http import accepts_gzip
from vlcp.server.module import Module, api, depend
from vlcp.service.connection import httpserver
from vlcp.service.web._conditions import Decision, FileState, decide
from vlcp.service.web._files import FileCache, find_file, open_file
from vlcp.service.web._folders import Folder, folders
from vlcp.utils.encoders import gzip_decoder
from vlcp.utils.http import Dispatcher, Environment, HttpInputException

logger = logging.getLogger(__name__)


@depend(httpserver.HttpServer)
@defaultconfig
class Static(Module):
    """Serves files of folders at paths of the same names.

    ``dir = 'static'`` answers ``/static/a/b`` with the file ``a/b`` in the folder ``static``; nothing outside of the folder
    can be reached, by dot segments or by links. ``.dirs`` is a list of further folders, ``.vdir.<name>`` a node with folders
    and settings of its own.
    """

    service = False
    _default_dir = "static"
    "Folder to serve, at the path of the same name; None for none. `.dirs` is a list of further ones"
    _default_relativeroot = None
    "Where relative folder names begin; None or empty for the folder of relativemodule"
    _default_relativemodule = "__main__"
    "Python module in whose folder relative folder names begin; None for the working directory"
    _default_map = {}
    "{path: folder or file} for paths with other names than their folders"
    _default_vhostbind = ""
    "Virtual host of the HTTP server to serve on"
    _default_hostbind = None
    "Only serve requests with this Host header; None for all"
    _default_checkreferer = False
    "Only serve requests from pages of allowed sites"
    _default_refererallowlocal = True
    "With checkreferer: pages of this server are allowed"
    _default_refererallows = []
    "With checkreferer: further allowed sites, as host or host:port"
    _default_allowrange = True
    "Serve parts of files (Range)"
    _default_etag = True
    "Send an ETag, by which clients ask for changed files only"
    _default_gzip = True
    "Serve the file name.gz for name to clients that decompress it"
    _default_maxage = 5
    "Seconds that clients may keep a file without asking; None sends no Cache-Control"
    _default_memorycache = True
    "Keep small files in memory; they are still looked at for changes with each request"
    _default_memorycachelimit = 4096
    "Largest file kept in memory, in bytes"
    _default_memorycacheitemlimit = 4096
    "Most files kept in memory; beyond, those used least recently are dropped"
    _default_contenttype = None
    "Content type of all files; None for that of the file's name"
    _default_mimetypes = ()
    "Further files with a table of content types, in the format of mime.types"
    _default_mimestrict = True
    "Only use content types that are registered, not common ones"
    _default_contentdisposition = None
    "'attachment' or 'inline': send a Content-Disposition with the file's name"
    _default_extraheaders = []
    "[(name, value)] to send with each file"
    _default_rewriteonly = False
    "Only serve what a handler or a rule has rewritten to here, not what clients ask for themselves"
    _default_errorpage = False
    "Keep the status of the error that was rewritten to here"
    _default_xaccelredirect = False
    "Send X-Accel-Redirect in place of the file, for nginx in front of this server"
    _default_xaccelredirect_root = b"/static"
    "With xaccelredirect: path that nginx serves the root of the folders at"
    _default_xsendfile = False
    "Send X-Sendfile in place of the file, for Apache in front of this server"
    _default_xlighttpdsendfile = False
    "Send X-LIGHTTPD-send-file in place of the file, for lighttpd in front of this server"
    _extra_config = ("dirs", "vdir.")

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._dispatcher: Optional[Dispatcher] = None
        self._folders: List[Folder] = []
        self._cache = FileCache()
        self._types: Dict[Tuple[str, ...], mimetypes.MimeTypes] = {}
        self.create_api(api(self.updateconfig))

    async def load(self, container: Any) -> None:
        """Serve the configured folders.

        :raises ValueError: the configuration is wrong
        """
        self.updateconfig()
        await super().load(container)

    async def unload(self, container: Any, force: bool = False) -> None:
        """Serve no more files."""
        if self._dispatcher is not None:
            self._dispatcher.close()
            self._dispatcher = None
        await super().unload(container, force)

    @classmethod
    def plain_setting(cls, name: str) -> str:
        """Return the setting behind ``vdir.<name>.<setting>``, which may be nested."""
        parts = name.split(".")
        while len(parts) > 2 and parts[0] == "vdir":
            parts = parts[2:]
        return ".".join(parts)

    def updateconfig(self):
        """Read the configuration again; requests that are being served go on as they began.

        :raises ValueError: the configuration is wrong; nothing is changed
        """
        wanted = self._read_config()
        if wanted == self._folders and self._dispatcher is not None:
            return
        dispatcher = Dispatcher(None)
        for folder in wanted:
            self._add_route(dispatcher, folder)
        if self._dispatcher is not None:
            self._dispatcher.close()
        self._folders, self._dispatcher = wanted, dispatcher
        dispatcher.bind(self.scheduler)

    def _read_config(self) -> List[Folder]:
        own = [key for key in vars(Static) if key.startswith("_default_")]
        names = [key[len("_default_") :] for key in own]
        for name in names:
            self.__dict__.pop(name, None)
        settings = {name: getattr(self, name) for name in names}
        default = {"dir": settings.pop("dir"), "map": settings.pop("map")}
        return folders(self.configkey, settings, self.getConfigRoot(), default)

    def _add_route(self, dispatcher: Dispatcher, folder: Folder) -> None:
        settings = folder.settings
        target = os.path.join(_root(settings), folder.target)
        pattern = re.escape(folder.path.rstrip("/").encode("utf-8"))
        serve = partial(self._serve, folder, target)
        host, vhost = settings["hostbind"], settings["vhostbind"]
        if os.path.isfile(target):
            dispatcher.route(pattern or b"/", serve, None, host, vhost)
        else:
            dispatcher.route(pattern + rb"/(.*)", serve, None, host, vhost)

    async def _serve(self, folder: Folder, target: str, env: Environment) -> None:
        """Answer one request.

        :raises HttpInputException: there is no such file (404), or it may not be asked for (403, 404)
        """
        settings = folder.settings
        if settings["rewriteonly"] and not getattr(env.event, "rewrites", 0):
            raise HttpInputException("only served after a rewrite", status=404)
        if settings["checkreferer"] and not _is_allowed(env, settings):
            raise HttpInputException("referer is not allowed", status=403)
        tail = env.path_match.group(1) if env.path_match.re.groups else None
        path = target if tail is None else find_file(target, env.getrealpath(target, tail))
        if path is None or (tail is not None and tail.endswith(b"/")):
            raise HttpInputException("no such file", status=404)
        front = _front_headers(settings, path)
        if front:
            if not os.path.isfile(path):
                raise HttpInputException("no such file", status=404)
            env.start_response(200, [*self._headers_of(path, settings), *front])
            env.outputdata(b"")
        else:
            self._send(env, path, settings)

    def _send(self, env: Environment, path: str, settings: Dict[str, Any]) -> None:
        """Send a file, or its compressed form.

        :raises HttpInputException: there is no such file
        """
        takes_gzip = settings["gzip"] and accepts_gzip(env.headerdict.get(b"accept-encoding"))
        limit = settings["memorycachelimit"] if settings["memorycache"] else -1
        self._cache.itemlimit = settings["memorycacheitemlimit"]
        found = self._cache.get(path + ".gz", limit) if takes_gzip else None
        packed = found is not None
        found = found or self._cache.get(path, limit)
        if found is None and settings["gzip"]:
            found = self._cache.get(path + ".gz", -1)
            if found is not None:
                self._unpack(env, path, settings)
                return
        if found is None:
            raise HttpInputException("no such file", status=404)
        state, content = found
        headers = self._headers_of(path, settings)
        if packed:
            headers.append((b"Content-Encoding", b"gzip"))
        self._answer(env, path + ".gz" if packed else path, state, content, headers, settings)

    def _answer(
        self,
        env: Environment,
        path: str,
        state: FileState,
        content: Optional[bytes],
        headers: List[Tuple[bytes, bytes]],
        settings: Dict[str, Any],
    ) -> None:
        etag = state.etag if settings["etag"] else None
        if settings["errorpage"]:
            decision = Decision(env.status, 0, state.size)
        else:
            decision = decide(env.method, env.headerdict, state, etag, settings["allowrange"])
            headers.append((b"Last-Modified", state.last_modified_line))
            headers += [(b"ETag", etag)] if etag else []
            headers += [(b"Accept-Ranges", b"bytes")] if settings["allowrange"] else []
        if decision.status == 206:
            last = decision.start + decision.length - 1
            headers.append((b"Content-Range", b"bytes %d-%d/%d" % (decision.start, last, state.size)))
        elif decision.status == 416:
            headers = [(b"Content-Range", b"bytes */%d" % (state.size,))]
        env.start_response(decision.status, headers, disabletransferencoding=True)
        if not decision.length:
            env.outputdata(b"")
        elif content is not None:
            env.outputdata(content[decision.start : decision.start + decision.length])
        else:
            env.output(_stream(path, decision), True)

    def _unpack(self, env: Environment, path: str, settings: Dict[str, Any]) -> None:
        """Send a file of which only the compressed form exists to a client that does not decompress."""
        status = env.status if settings["errorpage"] else 200
        env.start_response(status, self._headers_of(path, settings), disabletransferencoding=True)
        env.output(FileStream(open_file(path + ".gz"), [gzip_decoder()]), True)

    def _headers_of(self, path: str, settings: Dict[str, Any]) -> List[Tuple[bytes, bytes]]:
        headers = [(_bytes(name), _bytes(value)) for name, value in settings["extraheaders"]]
        headers.append((b"Content-Type", _bytes(settings["contenttype"] or self._type_of(path, settings))))
        if settings["maxage"] is not None and not settings["errorpage"]:
            headers.append((b"Cache-Control", b"max-age=%d" % (settings["maxage"],)))
        if settings["contentdisposition"]:
            name = quote(os.path.basename(path), safe="")
            headers.append((b"Content-Disposition", _bytes("%s; filename*=UTF-8''%s" % (settings["contentdisposition"], name))))
        return headers

    def _type_of(self, path: str, settings: Dict[str, Any]) -> str:
        files = tuple(settings["mimetypes"])
        types = self._types.get(files)
        if types is None:
            types = self._types[files] = mimetypes.MimeTypes(files)
        kind, encoding = types.guess_type("file:" + quote(path), settings["mimestrict"])
        if encoding is not None:
            return "application/%s" % (encoding,) if encoding in ("gzip", "zstd") else "application/octet-stream"
        return kind or "application/octet-stream"


def _stream(path: str, decision: Decision) -> FileStream:
    file = open_file(path)
    file.seek(decision.start)
    return FileStream(file, size=decision.length)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8")


def _root(settings: Dict[str, Any]) -> str:
    """Return the folder where relative names begin.

    :raises ValueError: the Python module that names it cannot be imported
    """
    if settings["relativeroot"]:
        return os.path.abspath(settings["relativeroot"])
    name = settings["relativemodule"]
    if not name:
        return os.getcwd()
    try:
        module = sys.modules.get(name) or importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"relativemodule: cannot import {name!r}: {error}") from None
    file = getattr(module, "__file__", None)
    return os.getcwd() if file is None else os.path.dirname(os.path.abspath(file))


def _is_allowed(env: Environment, settings: Dict[str, Any]) -> bool:
    """Tell whether the page that a request comes from is of an allowed site."""
    try:
        referer = urlsplit(env.headerdict.get(b"referer", b"").decode("latin-1"))
        netloc, host = referer.netloc.lower(), referer.hostname
    except ValueError:
        return False
    if not host:
        return False
    if settings["refererallowlocal"] and netloc == env.host.decode("latin-1").lower():
        return True
    allowed = {_bytes(one).decode("utf-8").lower() for one in settings["refererallows"]}
    return netloc in allowed or host in allowed


def _front_headers(settings: Dict[str, Any], path: str) -> List[Tuple[bytes, bytes]]:
    """Return the header that lets the server in front of this one send the file, if that is set."""
    full = quote(path, safe="/").encode("ascii")
    if settings["xaccelredirect"]:
        inside = os.path.relpath(path, os.path.realpath(_root(settings)))
        return [(b"X-Accel-Redirect", _bytes(settings["xaccelredirect_root"]) + b"/" + quote(inside, safe="/").encode("ascii"))]
    if settings["xsendfile"]:
        return [(b"X-Sendfile", full)]
    return [(b"X-LIGHTTPD-send-file", full)] if settings["xlighttpdsendfile"] else []
