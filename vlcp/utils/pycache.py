"""Byte-code files of Python modules."""

from __future__ import annotations

import importlib.util
import os
from types import ModuleType


def remove_cache(module: ModuleType) -> None:
    """Delete the byte-code file of a Python module, so that the next import reads the source.

    Needed because a source that is changed twice within a second may keep the time stamp by which Python knows that
    its byte code is still good. Does nothing for modules without a source file.

    :param module: the imported module
    :raises OSError: the file exists and cannot be deleted
    """
    source = getattr(module, "__file__", None)
    if not source or not source.endswith(".py"):
        return
    try:
        os.remove(importlib.util.cache_from_source(source))
    except FileNotFoundError:
        return


removeCache = remove_cache
