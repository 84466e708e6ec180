"""Two small helpers: loggers with a context, byte-code files."""

import importlib
import importlib.util
import logging
import os
import sys
import types

from vlcp.utils.logger import ContextAdapter
from vlcp.utils.pycache import remove_cache


def test_the_context_stands_before_each_message(caplog):
    logger = ContextAdapter(logging.getLogger("vlcp.context"), {"context": "datapath 1:"})
    with caplog.at_level(logging.INFO):
        logger.info("port %d is up", 5)
        ContextAdapter(logging.getLogger("vlcp.context"), {}).info("nothing before")
    assert [record.getMessage() for record in caplog.records] == ["datapath 1: port 5 is up", "nothing before"]


def test_the_byte_code_of_a_module_is_removed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "cachelab.py").write_text("x = 1\n")
    module = importlib.import_module("cachelab")
    cached = importlib.util.cache_from_source(module.__file__)
    assert os.path.exists(cached)
    remove_cache(module)
    remove_cache(module)
    assert not os.path.exists(cached)
    remove_cache(types.ModuleType("without a file"))
    del sys.modules["cachelab"]
