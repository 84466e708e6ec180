"""Reloading of modules whose files have changed."""

import sys
import textwrap

import pytest
from support.modules import run_modules

from vlcp.server.module import ModuleLoadException, call_api

BASE = """
    from vlcp.server.module import Module, api, depend

    class Speaker(Module):
        def __init__(self, server):
            super().__init__(server)
            self.create_api(api(self.say))

        def say(self):
            return "one"
"""
USER = """
    from vlcp.server.module import Module, api, depend
    from reloadlab import speaker
    from reloadlab.speaker import Speaker

    @depend(speaker.Speaker)
    class Listener(Module):
        def __init__(self, server):
            super().__init__(server)
            self.create_api(api(self.hear))

        def hear(self):
            return "hears one"
"""


class Files:
    """The package ``reloadlab`` on disk."""

    def __init__(self, directory):
        self.directory = directory / "reloadlab"
        self.directory.mkdir()
        self.write("__init__", "")
        self.write("speaker", BASE)
        self.write("listener", USER)

    def write(self, name, text):
        (self.directory / f"{name}.py").write_text(textwrap.dedent(text))

    def change(self, name, old, new):
        path = self.directory / f"{name}.py"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Files(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "reloadlab"]:
        del sys.modules[name]


SPEAKER, LISTENER = "reloadlab.speaker.Speaker", "reloadlab.listener.Listener"


def test_changed_code_is_used_and_dependants_stay_loaded(files):
    async def scenario(container, server):
        loader = server.moduleloader
        listener = await loader.load_by_path(LISTENER)
        assert await call_api(container, "speaker", "say") == "one"
        files.change("speaker", '"one"', '"two"')
        await loader.reload_modules([SPEAKER])
        assert await call_api(container, "speaker", "say") == "two"
        assert loader.get_module_by_name("listener") is listener
        speaker = loader.get_module_by_name("speaker")
        assert type(speaker) is sys.modules["reloadlab.speaker"].Speaker
        assert type(listener).depends == (type(speaker),)
        assert sys.modules["reloadlab.listener"].Speaker is type(speaker)
        await loader.unloadmodule(type(speaker))
        assert loader.active == {}

    run_modules(scenario, manual=True)


def test_other_classes_of_the_file_are_replaced_where_they_are_imported(files):
    async def scenario(container, server):
        loader = server.moduleloader
        files.change("speaker", "class Speaker", "class Silence(Exception):\n    pass\n\nclass Speaker")
        files.change("speaker", 'return "one"', "raise Silence()")
        files.change("listener", "import Speaker", "import Silence, Speaker")
        files.change("listener", "def hear(self):", "def hear(self, said):\n        return isinstance(said, Silence)\n")
        await loader.load_by_path(LISTENER)
        await loader.reload_modules([SPEAKER])
        try:
            await call_api(container, "speaker", "say")
        except Exception as exc:
            assert await call_api(container, "listener", "hear", {"said": exc}) is True

    run_modules(scenario, manual=True)


def test_modules_that_import_each_other_see_each_others_new_code(files):
    async def scenario(container, server):
        loader = server.moduleloader
        await loader.load_by_path(LISTENER)
        files.change("speaker", '"one"', "WORD\n\nWORD = 'three'")
        files.change("listener", "import Speaker", "import WORD, Speaker")
        files.change("listener", '"hears one"', '"hears " + WORD')
        await loader.reload_modules([LISTENER, SPEAKER])
        assert await call_api(container, "listener", "hear") == "hears three"
        assert list(loader.active) == ["speaker", "listener"]

    run_modules(scenario, manual=True)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("def broken(:\n", r"cannot import 'reloadlab.speaker': SyntaxError: .*speaker.py, line"),
        ("raise RuntimeError('half done')\n", "cannot import 'reloadlab.speaker': RuntimeError: half done"),
        ("import nonexistent_thing\n", "cannot import 'reloadlab.speaker': ModuleNotFoundError"),
        ("del Speaker\n", "cannot import 'reloadlab.speaker': ImportError: has no class Speaker any more"),
    ],
)
def test_code_that_cannot_be_imported_leaves_the_old_loaded(files, broken, said):
    async def scenario(container, server):
        loader = server.moduleloader
        await loader.load_by_path(LISTENER)
        before, modules = dict(loader.active), dict(sys.modules)
        files.change("listener", '"hears one"', '"hears two"')
        good = BASE + "\n"
        files.write("speaker", textwrap.dedent(good) + broken)
        with pytest.raises(ModuleLoadException, match=said):
            await loader.reload_modules([SPEAKER, LISTENER])
        assert loader.active == before
        assert await call_api(container, "speaker", "say") == "one"
        assert await call_api(container, "listener", "hear") == "hears one"
        for name in ("reloadlab.speaker", "reloadlab.listener"):
            assert sys.modules[name] is modules[name]
        files.write("speaker", BASE.replace("one", "four"))
        await loader.reload_modules([SPEAKER, LISTENER])
        assert await call_api(container, "speaker", "say") == "four"

    run_modules(scenario, manual=True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("super().__init__(server)", "raise ValueError('bad setting')", "'speaker' cannot be created: ValueError: bad setting"),
        ("def say", "async def load(self, container):\n        raise OSError('no port')\n\n    def say", "OSError: no port"),
        ("class Speaker(Module):", "@depend(int)\nclass Speaker(Module):", "depends on <class 'int'>, which is no module"),
    ],
)
def test_code_that_does_not_load_is_reported_and_the_old_goes_on(files, old, new, said):
    async def scenario(container, server):
        loader = server.moduleloader
        await loader.load_by_path(LISTENER)
        before = {name: module.get_full_path() for name, module in loader.active.items()}
        text = (files.directory / "speaker.py").read_text()
        files.write("speaker", text.replace(old, new).replace('"one"', '"two"'))
        with pytest.raises(ModuleLoadException, match=said):
            await loader.reload_modules([SPEAKER])
        assert {name: module.get_full_path() for name, module in loader.active.items()} == before
        assert await call_api(container, "speaker", "say") == "one"
        assert loader.active["listener"].depends == (type(loader.active["speaker"]),)
        files.write("speaker", text.replace('"one"', '"three"'))
        await loader.reload_modules([SPEAKER])
        assert await call_api(container, "speaker", "say") == "three"
        await loader.unload_by_path(SPEAKER)
        assert loader.active == {}

    run_modules(scenario, manual=True)


def test_all_modules_of_a_file_are_reloaded(files):
    async def scenario(container, server):
        loader = server.moduleloader
        files.write("speaker", textwrap.dedent(BASE) + textwrap.dedent(BASE).replace("Speaker", "Shouter").replace("one", "ONE"))
        await loader.load_by_path(SPEAKER)
        await loader.load_by_path("reloadlab.speaker.Shouter")
        files.change("speaker", '"ONE"', '"TWO"')
        await loader.reload_modules([SPEAKER])
        assert await call_api(container, "shouter", "say") == "TWO"

    run_modules(scenario, manual=True)


def test_calls_wait_while_a_module_is_reloaded(files):
    async def scenario(container, server):
        loader = server.moduleloader
        files.change(
            "speaker",
            "    def say(self):",
            "    async def load(self, container):\n"
            "        await container.wait_with_timeout(2)\n"
            "        await super().load(container)\n\n"
            "    def say(self):",
        )
        await loader.load_by_path(SPEAKER)
        files.change("speaker", '"one"', '"five"')
        container.subroutine(loader.reload_modules([SPEAKER]))
        await container.do_events()
        assert loader.has_target("speaker")
        assert await call_api(container, "speaker", "say") == "five"

    run_modules(scenario, manual=True)


def test_an_unknown_path_is_refused_and_nothing_is_changed(files):
    async def scenario(container, server):
        loader = server.moduleloader
        instance = await loader.load_by_path(SPEAKER)
        with pytest.raises(ModuleLoadException, match="'reloadlab.nobody.Nobody' is not loaded"):
            await loader.reload_modules([SPEAKER, "reloadlab.nobody.Nobody"])
        assert loader.get_module_by_name("speaker") is instance

    run_modules(scenario, manual=True)
