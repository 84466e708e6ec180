"""What tests do without on an interpreter that cannot have it."""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import ModuleType
from typing import Iterator

import pytest

PYPY = sys.implementation.name == "pypy"


def os_ken(name: str) -> ModuleType:
    """Import a module of ``os_ken.ofproto``; on PyPy, where os-ken cannot be installed, skip the module that asks for it."""
    if PYPY:
        return pytest.importorskip(f"os_ken.ofproto.{name}", reason="os-ken cannot be installed on PyPy")
    return importlib.import_module(f"os_ken.ofproto.{name}")


@contextlib.contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Check that the body never has ``limit`` bytes allocated; PyPy cannot trace memory, so there it just runs."""
    if PYPY:
        yield
        return
    import tracemalloc

    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
