"""Loading of all modules of a package."""

import logging
import sys

import pytest
from support.modules import run_modules

from vlcp.config import manager
from vlcp.service.utils.autoload import AutoLoad

MODULE = "from vlcp.server.module import Module\nfrom {base} import {parent} as Parent\n\nclass {name}(Parent):\n    pass\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    directory = tmp_path / "autolab"
    directory.mkdir()
    files = {
        "__init__": "",
        "_private": MODULE.format(base="vlcp.server.module", parent="Module", name="Hidden"),
        "one": MODULE.format(base="vlcp.server.module", parent="Module", name="One"),
        "two": MODULE.format(base="autolab.one", parent="One", name="Two"),
        "wrong": "import nonexistent_thing\n",
        "failing": "from vlcp.server.module import Module\n\nclass Failing(Module):\n"
        "    async def load(self, container):\n        raise ValueError('not today')\n",
    }
    for name, text in files.items():
        (directory / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    manager["module.autoload.autoloadpackages"] = ("autolab", "autolab.nothing")
    yield
    manager.gettree("module.autoload").clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "autolab"]:
        del sys.modules[name]


def test_all_good_modules_are_loaded_and_unloaded_and_bad_ones_are_logged(package, caplog):
    async def scenario(container, server):
        loader = server.moduleloader
        with caplog.at_level(logging.ERROR):
            await loader.loadmodule(AutoLoad)
        assert set(loader.active) - {"failing"} == {"autoload", "one", "two"}
        for said in ("autolab.wrong", "cannot load autolab.failing.Failing", "not today", "autolab.nothing"):
            assert said in caplog.text
        await loader.unloadmodule(AutoLoad)
        assert set(loader.active) <= {"failing"}

    run_modules(scenario, manual=True)
