"""Loading and unloading of modules."""

import pytest
from support.modules import run_modules

from vlcp.config import manager
from vlcp.event.runnable import RoutineContainer
from vlcp.server.module import (
    Module,
    ModuleLoadException,
    ModuleLoadStateChanged,
    api,
    call_api,
    depend,
    findModule,
    proxy,
)

LOG = []


@pytest.fixture(autouse=True)
def clean():
    LOG.clear()
    before = dict(manager.config_items())
    yield
    manager.clear()
    for key, value in before.items():
        manager[key] = value


class Recording(Module):
    """Writes down when it is loaded and unloaded."""

    async def load(self, container):
        LOG.append("+" + self.get_service_name())
        await super().load(container)

    async def unload(self, container, force=False):
        LOG.append("-" + self.get_service_name())
        await super().unload(container, force)


class Store(Recording):
    service = True


@depend(Store)
class Data(Recording):
    service = True


class Listener(Recording):
    service = True


@depend(Data, Listener)
class Flows(Recording):
    pass


@depend(Data)
class Routes(Recording):
    pass


class Broken(Recording):
    async def load(self, container):
        await super().load(container)
        raise ValueError("no such database")


@depend(Store, Broken)
class NeedsBroken(Recording):
    pass


class Uncreatable(Module):
    def __init__(self, server):
        raise OSError("no room")


class Late(Recording):
    """Becomes ready by itself a second after it is loaded."""

    autosuccess = False
    succeed = True

    def __init__(self, server):
        super().__init__(server)
        self.apiroutine.main = self.main
        self.routines.append(self.apiroutine)

    async def main(self):
        await self.apiroutine.wait_with_timeout(1)
        state = ModuleLoadStateChanged.SUCCEEDED if self.succeed else ModuleLoadStateChanged.FAILED
        await self.changestate(state, self.apiroutine)


@depend(Late)
class NeedsLate(Recording):
    pass


class CircleA(Module):
    pass


@depend(CircleA)
class CircleB(Module):
    pass


class Greeter(Module):
    def __init__(self, server):
        super().__init__(server)
        self.create_api(api(self.greet))

    def greet(self, who):
        return f"hello {who}"


class OtherGreeter(Module):
    def __init__(self, server):
        super().__init__(server)
        self.create_api(api(self.greet))

    def greet(self, who):
        return f"good day {who}"


Greeting = proxy("Greeting", Greeter)
NoDefault = proxy("NoDefault")


@depend(Greeting)
class Guest(Recording):
    pass


def test_dependencies_are_loaded_first_and_services_unloaded_last():
    async def scenario(container, server):
        loader = server.moduleloader
        flows = await loader.load_by_path(f"{__name__}.Flows")
        assert flows is loader.get_module_by_name("flows") and flows.state == ModuleLoadStateChanged.SUCCEEDED
        assert await loader.loadmodule(Flows) is flows
        await loader.loadmodule(Routes)
        assert LOG[-1] == "+routes" and LOG.index("+store") < LOG.index("+data") < LOG.index("+flows")
        assert len(LOG) == 5
        await loader.unloadmodule(Flows)
        assert LOG[5:] == ["-flows", "-listener"]
        await loader.unloadmodule(Store)
        assert LOG[7:] == ["-routes", "-data", "-store"]
        assert loader.active == {}

    run_modules(scenario, manual=True)


def test_every_state_is_told_in_order():
    async def scenario(container, server):
        seen = []
        watched = container.subroutine(watch(container, seen))
        await server.moduleloader.loadmodule(Store)
        await server.moduleloader.unloadmodule(Store)
        await container.do_events()
        container.terminate(watched)
        assert seen == ["loading", "loaded", "succeeded", "unloading", "unloaded"]

    async def watch(container, seen):
        while True:
            event = await ModuleLoadStateChanged.createMatcher(module=Store)
            assert event.instance.get_full_path() == f"{__name__}.Store"
            seen.append(event.state)

    run_modules(scenario, manual=True)


def test_a_module_that_fails_says_why_and_must_be_unloaded_first():
    async def scenario(container, server):
        loader = server.moduleloader
        with pytest.raises(ModuleLoadException, match="'broken' cannot be loaded: ValueError: no such database"):
            await loader.loadmodule(Broken)
        assert loader.active["broken"].state == ModuleLoadStateChanged.FAILED
        with pytest.raises(ModuleLoadException, match="must be unloaded first"):
            await loader.loadmodule(Broken)
        await loader.unloadmodule(Broken)
        assert "broken" not in loader.active

    run_modules(scenario, manual=True)


def test_a_failed_dependency_stops_the_module_and_is_named():
    async def scenario(container, server):
        loader = server.moduleloader
        with pytest.raises(ModuleLoadException, match="'needsbroken' needs another.*'broken'.*no such database"):
            await loader.loadmodule(NeedsBroken)
        assert "needsbroken" not in loader.active and "store" in loader.active
        with pytest.raises(ModuleLoadException, match="'uncreatable' cannot be created: OSError: no room"):
            await loader.loadmodule(Uncreatable)
        assert "uncreatable" not in loader.active

    run_modules(scenario, manual=True)


def test_a_circle_is_named_and_nothing_is_started():
    async def scenario(container, server):
        CircleA.depends = (CircleB,)
        with pytest.raises(ModuleLoadException, match="circlea -> circleb -> circlea"):
            await server.moduleloader.loadmodule(CircleB)
        assert server.moduleloader.active == {}

    run_modules(scenario, manual=True)


@pytest.mark.parametrize("succeed", [True, False])
def test_a_dependency_that_succeeds_later_is_waited_for(succeed, monkeypatch):
    monkeypatch.setattr(Late, "succeed", succeed)

    async def scenario(container, server):
        begin = server.scheduler.current_time
        if succeed:
            await server.moduleloader.loadmodule(NeedsLate)
        else:
            with pytest.raises(ModuleLoadException, match="'late' cannot be loaded"):
                await server.moduleloader.loadmodule(NeedsLate)
        assert server.scheduler.current_time >= begin + 1
        assert ("needslate" in server.moduleloader.active) == succeed

    run_modules(scenario, manual=True)


def test_two_loads_at_the_same_time_make_one_instance():
    async def scenario(container, server):
        loader = server.moduleloader
        found = await container.execute_all([loader.loadmodule(cls) for cls in (NeedsLate, Late, Late, NeedsLate)])
        assert found[0] is found[3] and found[1] is found[2]
        assert LOG == ["+late", "+needslate"]

    run_modules(scenario, manual=True)


def test_a_proxy_leads_to_the_configured_module():
    async def scenario(container, server):
        loader = server.moduleloader
        manager["proxy.greeting"] = f"{__name__}.OtherGreeter"
        await loader.loadmodule(Guest)
        assert await call_api(container, "greeting", "greet", {"who": "you"}) == "good day you"
        assert loader.has_target("greeting") and loader.has_target("othergreeter")
        assert isinstance(loader.get_module_by_name("greeting"), OtherGreeter)
        assert set(loader.active) == {"guest", "greeting", "othergreeter"}
        assert loader.active["greeting"].get_full_path() == f"{__name__}.Greeting"
        await loader.unloadmodule(Guest)
        assert set(loader.active) == {"othergreeter"} and not loader.has_target("greeting")
        manager["proxy.greeting"] = f"{__name__}.Greeter"
        await loader.loadmodule(Guest)
        assert await call_api(container, "greeting", "greet", {"who": "you"}) == "hello you"

    run_modules(scenario, manual=True)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "proxy.nodefault is not configured"),
        ("nonexistent.package.Module", "proxy.nodefault: cannot import 'nonexistent.package'"),
        (f"{__name__}.Nothing", "proxy.nodefault: no module class 'Nothing'"),
        (5, "proxy.nodefault: not a loading path"),
    ],
)
def test_a_proxy_that_leads_nowhere_is_an_error(value, said):
    async def scenario(container, server):
        if value is not None:
            manager["proxy.nodefault"] = value
        with pytest.raises(ModuleLoadException, match=said):
            await server.moduleloader.loadmodule(NoDefault)

    run_modules(scenario, manual=True)


@pytest.mark.parametrize("path", ["Flows", "", "os.path", "os.nothing", f"{__name__}.pytest", f"{__name__}.LOG"])
def test_a_path_without_a_module_class_is_refused(path):
    with pytest.raises(ModuleLoadException, match="loading path|no module class"):
        findModule(path)


def test_a_path_that_is_not_imported_yet_can_be_left_so():
    assert findModule("vlcp.nonexistent.Thing", False) is None
    with pytest.raises(ModuleLoadException, match="cannot import 'vlcp.nonexistent': ModuleNotFoundError"):
        findModule("vlcp.nonexistent.Thing")


def test_two_modules_of_one_name_cannot_be_loaded_together():
    other = type("Store", (Recording,), {"__module__": "elsewhere"})

    async def scenario(container, server):
        await server.moduleloader.loadmodule(Store)
        with pytest.raises(ModuleLoadException, match="elsewhere.Store: the name 'store' is in use by"):
            await server.moduleloader.loadmodule(other)

    run_modules(scenario, manual=True)


def test_unloading_stops_routines_and_an_error_in_it_stops_nothing_else():
    ended = []

    @depend(Store)
    class Stubborn(Module):
        def __init__(self, server):
            super().__init__(server)
            worker = RoutineContainer(self.scheduler)
            worker.main = self.work
            self.routines.append(worker)
            self.worker = worker

        async def work(self):
            try:
                await self.worker.wait_with_timeout(None)
            finally:
                ended.append("work")

        async def unload(self, container, force=False):
            await super().unload(container, force)
            raise RuntimeError("lost the keys")

    async def scenario(container, server):
        loader = server.moduleloader
        await loader.loadmodule(Stubborn)
        with pytest.raises(ModuleLoadException, match="'stubborn' did not stop without an error: RuntimeError: lost"):
            await loader.unloadmodule(Stubborn)
        assert ended == ["work"] and loader.active == {}
        with pytest.raises(ModuleLoadException, match="is not loaded"):
            await loader.unload_by_path(f"{__name__}.Store")
        with pytest.raises(KeyError, match="store"):
            loader.get_module_by_name("store")

    run_modules(scenario, manual=True)


def test_documented_names_are_there():
    for cls, old, new in (
        (Module, "getServiceName", "get_service_name"),
        (Module, "getFullPath", "get_full_path"),
        (Module, "createAPI", "create_api"),
        (Module, "appendAPI", "append_api"),
    ):
        assert getattr(cls, old) == getattr(cls, new)
