"""Loading and reloading of modules by API."""

import logging
import os
import sys

import pytest
from support.modules import run_modules

from vlcp.server.module import ModuleLoadException, call_api
from vlcp.service.manage.modulemanager import Manager

TEXT = """
from vlcp.server.module import Module, api

class Clock(Module):
    def __init__(self, server):
        super().__init__(server)
        self.create_api(api(self.tell))

    def tell(self):
        return "one"
"""
PATH = "managerlab.Clock"


@pytest.fixture
def source(tmp_path, monkeypatch):
    path = tmp_path / "managerlab.py"
    path.write_text(TEXT)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield path
    sys.modules.pop("managerlab", None)


def change(path, old, new):
    """Change a file, with a time stamp that is later by a minute."""
    stamp = os.stat(path).st_mtime + 60
    path.write_text(path.read_text().replace(old, new))
    os.utime(path, (stamp, stamp))


def with_manager(scenario):
    async def run(container, server):
        await server.moduleloader.loadmodule(Manager)

        async def call(name, **params):
            return await call_api(container, "manager", name, params)

        return await scenario(container, server, call)

    return run_modules(run, manual=True)


def test_modules_are_loaded_listed_reloaded_and_unloaded(source):
    async def scenario(container, server, call):
        await call("loadmodule", path=PATH)
        assert await call("activemodules") == {"manager": Manager.get_full_path(), "clock": PATH}
        change(source, '"one"', '"two"')
        await call("reloadmodules", pathlist=PATH)
        assert await call_api(container, "clock", "tell") == "two"
        await call("unloadmodule", path=PATH)
        assert list(await call("activemodules")) == ["manager"]

    with_manager(scenario)


def test_the_manager_can_reload_itself(source):
    async def scenario(container, server, call):
        before = server.moduleloader.get_module_by_name("manager")
        await call("reloadmodules", pathlist=[Manager.get_full_path()])
        assert server.moduleloader.get_module_by_name("manager") is not before
        assert list(await call("activemodules")) == ["manager"]

    with_manager(scenario)


@pytest.mark.parametrize(
    ("name", "params", "said"),
    [
        ("loadmodule", {"path": "no.such.Module"}, "cannot import 'no.such'"),
        ("unloadmodule", {"path": "no.such.Module"}, "'no.such.Module' is not loaded"),
        ("reloadmodules", {"pathlist": ["no.such.Module"]}, "'no.such.Module' is not loaded"),
    ],
)
def test_a_wrong_path_is_refused(name, params, said):
    async def scenario(container, server, call):
        with pytest.raises(ModuleLoadException, match=said):
            await call(name, **params)

    with_manager(scenario)


def test_changed_files_are_reloaded_when_that_is_enabled(source, caplog):
    async def scenario(container, server, call):
        await call("loadmodule", path=PATH)
        change(source, '"one"', '"two"')
        await container.wait_with_timeout(11)
        assert await call_api(container, "clock", "tell") == "one"
        await call("enableautoreload")
        await container.wait_with_timeout(11)
        assert await call_api(container, "clock", "tell") == "one", "changes from before do not count"
        change(source, '"two"', '"three"')
        await container.wait_with_timeout(11)
        assert await call_api(container, "clock", "tell") == "three"
        with caplog.at_level(logging.ERROR):
            change(source, "class", "clazz")
            await container.wait_with_timeout(60)
        assert caplog.text.count("automatic reload failed: cannot import 'managerlab'") == 1
        assert await call_api(container, "clock", "tell") == "three"
        change(source, "clazz", "class")
        await container.wait_with_timeout(11)
        await call("enableautoreload", enabled=False)
        change(source, '"three"', '"four"')
        await container.wait_with_timeout(11)
        assert await call_api(container, "clock", "tell") == "three"

    with_manager(scenario)


def test_log_levels_are_changed_at_run_time():
    async def scenario(container, server, call):
        logger = logging.getLogger("vlcp.levels")
        await call("setloglevel", level="debug", logger="vlcp.levels")
        assert logger.level == logging.DEBUG
        with pytest.raises(ValueError, match="NOISY"):
            await call("setloglevel", level="noisy", logger="vlcp.levels")
        logger.setLevel(logging.NOTSET)

    with_manager(scenario)
