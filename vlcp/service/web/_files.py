"""Files below a folder: finding them safely, opening them, keeping small ones in memory."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from typing import BinaryIO, NamedTuple, Optional, Tuple

from vlcp.service.web._conditions import FileState


class _Kept(NamedTuple):
    state: FileState
    content: bytes


def find_file(folder: str, path: str) -> Optional[str]:
    """Return the real path of what may be a file, None if it lies outside of the folder because of links.

    :param folder: the folder
    :param path: path below it, as :meth:`vlcp.utils.http.Environment.getrealpath` returns it
    """
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return real if real.startswith(os.path.join(root, "")) else None


def open_file(path: str) -> BinaryIO:
    """Open a regular file for reading; another kind, like a pipe, would block.

    :raises OSError: it cannot be opened, or is of another kind
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file: %r" % (path,))
    return os.fdopen(descriptor, "rb")


class FileCache:
    """Keeps small files in memory as long as they do not change.

    :param itemlimit: most files; those used least recently are dropped
    """

    def __init__(self, itemlimit: int = 4096) -> None:
        self.itemlimit = itemlimit
        self._kept: OrderedDict[str, _Kept] = OrderedDict()

    def get(self, path: str, limit: int) -> Optional[Tuple[FileState, Optional[bytes]]]:
        """Return (state, content) of a file, None if there is no such file that can be read.

        :param limit: largest size of a file that is kept, in bytes; the content of others is None
        """
        try:
            found = os.stat(path)
            if not stat.S_ISREG(found.st_mode) or not os.access(path, os.R_OK):
                return None
            state = FileState(found.st_ino, found.st_mtime_ns, found.st_size)
            return state, self._content(path, state) if state.size <= limit else None
        except OSError:
            self._kept.pop(path, None)
            return None

    def _content(self, path: str, state: FileState) -> Optional[bytes]:
        """Return the content that belongs to a state, None if it is just changing."""
        kept = self._kept.get(path)
        if kept is None or kept.state != state:
            with open_file(path) as file:
                content = file.read(state.size + 1)
            if len(content) != state.size:
                return None
            kept = self._kept[path] = _Kept(state, content)
            while len(self._kept) > self.itemlimit:
                self._kept.popitem(last=False)
        if path in self._kept:
            self._kept.move_to_end(path)
        return kept.content
