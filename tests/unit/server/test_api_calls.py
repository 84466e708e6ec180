"""Calls between modules."""

import pytest
from support.modules import run_modules

from vlcp.server.module import (
    Module,
    ModuleAPICall,
    ModuleAPIHandler,
    ModuleAPIReply,
    ModuleNotification,
    api,
    batch_call_api,
    call_api,
    get_api_result,
    publicapi,
    send_api,
)
from vlcp.utils.exceptions import (
    APINotFoundException,
    APIParameterException,
    APIRejectedException,
    ModuleAPICallTimeoutException,
    TypeMismatchException,
)


class Calculator(Module):
    """Adds."""

    def __init__(self, server):
        super().__init__(server)
        self.noted = []
        self.create_api(api(self.add), api(self.addSlowly, self.apiroutine), api(self.never, self.apiroutine))
        self.create_api(
            api(self.fail),
            api(self.note),
            api(self.failSlowly, self.apiroutine),
            publicapi(self.area, criteria=lambda shape, **kwargs: shape == "square"),
        )

    def add(self, a: int, b: int = 2):
        "Return the sum"
        return a + b

    async def addSlowly(self, a, b=2):
        await self.apiroutine.wait_with_timeout(10)
        return a + b

    async def never(self):
        await self.apiroutine.wait_with_timeout(None)

    def fail(self, **kwargs):
        raise ZeroDivisionError("by zero")

    async def failSlowly(self):
        await self.apiroutine.do_events()
        raise ZeroDivisionError("slowly")

    def note(self, what):
        self.noted.append(what)

    def area(self, shape, size):
        return size * size


class Circles(Module):
    def __init__(self, server):
        super().__init__(server)
        self.create_api(publicapi(self.area, self.apiroutine, lambda shape, size: shape == "circle"))

    async def area(self, shape, size):
        await self.apiroutine.do_events()
        return 3 * size * size


def with_modules(scenario):
    async def run(container, server):
        for cls in (Calculator, Circles):
            await server.moduleloader.loadmodule(cls)
        return await scenario(container, server)

    return run_modules(run, manual=True)


@pytest.mark.parametrize(
    ("target", "name", "params", "expected"),
    [
        ("calculator", "add", {"a": 1}, 3),
        ("calculator", "add", {"a": "5", "b": 6}, 11),
        ("calculator", "addslowly", {"a": 1}, 3),
        ("public", "area", {"shape": "square", "size": 4}, 16),
        ("public", "area", {"shape": "circle", "size": 4}, 48),
    ],
)
def test_a_call_gives_the_result(target, name, params, expected):
    async def scenario(container, server):
        return await call_api(container, target, name, params)

    assert with_modules(scenario) == expected


@pytest.mark.parametrize(
    ("target", "name", "params", "exception", "said"),
    [
        ("nobody", "add", {}, APINotFoundException, "no module 'nobody' is loaded"),
        ("calculator", "multiply", {}, APINotFoundException, "module 'calculator' has no API 'multiply'"),
        ("calculator", "addSlowly", {}, APINotFoundException, "no API 'addSlowly'"),
        ("calculator", "add", {}, APIParameterException, "parameter 'a' is missing"),
        ("calculator", "add", {"a": 1, "c": 2}, APIParameterException, "unexpected parameter 'c'"),
        ("calculator", "add", {"a": "x"}, TypeMismatchException, "a: "),
        ("calculator", "addslowly", {}, APIParameterException, "parameter 'a' is missing"),
        ("calculator", "fail", {}, ZeroDivisionError, "by zero"),
        ("calculator", "failslowly", {}, ZeroDivisionError, "slowly"),
        ("public", "area", {"shape": "triangle", "size": 1}, APIRejectedException, "public API 'area'"),
        ("public", "volume", {}, APINotFoundException, "public API 'volume'"),
    ],
)
def test_a_call_that_cannot_be_answered_says_why_at_once(target, name, params, exception, said):
    async def scenario(container, server):
        begin = server.scheduler.current_time
        with pytest.raises(exception, match=said):
            await call_api(container, target, name, params)
        assert server.scheduler.current_time == begin

    with_modules(scenario)


def test_a_call_is_given_up_after_its_time():
    async def scenario(container, server):
        begin = server.scheduler.current_time
        with pytest.raises(ModuleAPICallTimeoutException, match="calculator/never has not answered in 5 s"):
            await call_api(container, "calculator", "never", timeout=5)
        assert server.scheduler.current_time == begin + 5
        assert await call_api(container, "calculator", "addslowly", {"a": 1}, timeout=11) == 3

    with_modules(scenario)


def test_a_call_event_is_answered_by_a_reply_event():
    async def ask(container, **params):
        handle = object()
        await container.wait_for_send(ModuleAPICall(handle, params.pop("to"), params.pop("name"), params=params))
        return await ModuleAPIReply.createMatcher(handle)

    async def scenario(container, server):
        assert get_api_result(await ask(container, to="calculator", name="add", a=1)) == 3
        assert get_api_result(await ask(container, to="calculator", name="addslowly", a=1)) == 3
        assert get_api_result(await ask(container, to="public", name="area", shape="circle", size=1)) == 3
        for to, name, exception in (
            ("calculator", "nothing", APINotFoundException),
            ("calculator", "fail", ZeroDivisionError),
            ("public", "nothing", APINotFoundException),
        ):
            with pytest.raises(exception):
                get_api_result(await ask(container, to=to, name=name))

    with_modules(scenario)


def test_a_routine_that_waits_for_call_events_is_called_too():
    async def answer(container):
        call = await ModuleAPICall.createMatcher(target="handmade")
        call.canignore = True
        await container.wait_for_send(ModuleAPIHandler.createReply(call.handle, (call.name, call.params)))

    async def ignore_all(container):
        await ModuleAPICall.createMatcher(target="deaf", _ismatch=lambda call: False)

    async def scenario(container, server):
        container.subroutine(answer(container))
        container.subroutine(ignore_all(container))
        await container.do_events()
        assert await call_api(container, "handmade", "x", {"y": 1}) == ("x", {"y": 1})
        with pytest.raises(APINotFoundException):
            await call_api(container, "handmade", "x", {"y": 1})

    with_modules(scenario)


def test_an_expired_call_event_is_not_carried_out_later():
    async def scenario(container, server):
        loader = server.moduleloader
        calculator = loader.get_module_by_name("calculator")
        listening = container.subroutine(listen(container))
        await container.do_events()
        with pytest.raises(ModuleAPICallTimeoutException):
            await call_api(container, "sleeper", "note", {"what": "late"}, timeout=5)
        container.terminate(listening)
        calculator.servicename = "sleeper"
        handler = ModuleAPIHandler(calculator, [api(calculator.note)])
        handler.start()
        await container.wait_with_timeout(1)
        assert calculator.noted == []
        handler.close()

    async def listen(container):
        """Look like a module that answers, and never do."""
        matcher = ModuleAPICall.createMatcher(target="sleeper")
        while True:
            await matcher

    with_modules(scenario)


def test_a_call_waits_for_a_module_that_is_being_loaded():
    class Slow(Module):
        def __init__(self, server):
            super().__init__(server)
            self.create_api(api(self.ping))

        async def load(self, container):
            await container.wait_with_timeout(3)
            await super().load(container)

        def ping(self):
            return "pong"

    class Failing(Slow):
        async def load(self, container):
            await container.wait_with_timeout(3)
            raise ValueError("no")

    async def scenario(container, server):
        loader = server.moduleloader
        container.subroutine(loader.loadmodule(Slow))
        await container.do_events()
        assert loader.has_target("slow")
        with pytest.raises(ModuleAPICallTimeoutException, match="still being loaded"):
            await call_api(container, "slow", "ping", timeout=1)
        assert await call_api(container, "slow", "ping") == "pong"

    async def failing(container, server):
        loader = server.moduleloader

        async def load():
            with pytest.raises(Exception, match="no"):
                await loader.loadmodule(Failing)

        container.subroutine(load())
        await container.do_events()
        with pytest.raises(APINotFoundException):
            await call_api(container, "failing", "ping")
        await container.wait_with_timeout(4)

    with_modules(scenario)
    with_modules(failing)


def test_a_result_that_is_not_wanted_is_not_waited_for():
    async def scenario(container, server):
        calculator = server.moduleloader.get_module_by_name("calculator")
        await send_api(container, "calculator", "note", {"what": 1})
        await send_api(container, "calculator", "never")
        await send_api(container, "nobody", "note", {"what": 2})
        await container.do_events()
        assert calculator.noted == [1]

    with_modules(scenario)


def test_a_batch_gives_replies_in_order_and_none_for_those_too_late():
    async def scenario(container, server):
        calls = [
            ("calculator", "addslowly", {"a": 1}),
            ("calculator", "never", {}),
            ("calculator", "fail", {}),
            ("calculator", "add", {"a": 3}),
        ]
        slow, never, failed, added = await batch_call_api(container, calls, 20)
        assert never is None and get_api_result(slow) == 3 and get_api_result(added) == 5
        with pytest.raises(ZeroDivisionError):
            get_api_result(failed)

    with_modules(scenario)


def test_the_called_function_goes_on_when_the_caller_is_stopped():
    async def scenario(container, server):
        calculator = server.moduleloader.get_module_by_name("calculator")

        async def work():
            await calculator.apiroutine.wait_with_timeout(2)
            calculator.noted.append("done")

        calculator.api_handler.registerAPI("work", lambda name, params: work(), calculator.apiroutine)
        routine = container.subroutine(call_api(container, "calculator", "work"))
        await container.do_events()
        container.terminate(routine)
        await container.wait_with_timeout(3)
        assert calculator.noted == ["done"]

    with_modules(scenario)


def test_discover_lists_texts_or_details():
    async def scenario(container, server):
        short = await call_api(container, "calculator", "discover")
        assert short["add"] == "Return the sum" and "public/area" in short and "discover" in short
        assert await call_api(container, "calculator", "discover", {"details": "False"}) == short
        details = await call_api(container, "calculator", "discover", {"details": "true"})
        assert details["add"] == {
            "description": "Return the sum",
            "parameters": [
                {"name": "a", "optional": False, "type": "<class 'int'>"},
                {"name": "b", "optional": True, "default": 2, "type": "<class 'int'>"},
            ],
            "extraparameters": False,
        }
        assert details["fail"]["extraparameters"] is True

    with_modules(scenario)


def test_definitions_of_one_name_are_asked_in_order():
    async def scenario(container, server):
        handler = server.moduleloader.get_module_by_name("calculator").api_handler
        handler.registerAPI("kind", lambda name, params: "small", criteria=lambda params: params["n"] < 10)
        with pytest.raises(APIRejectedException, match="calculator/kind does not take these parameters"):
            await call_api(container, "calculator", "kind", {"n": 99})
        handler.registerAPI("kind", lambda name, params: "any")
        handler.registerAPI("kind", lambda name, params: "medium", criteria=lambda params: params["n"] < 50)
        kinds = [await call_api(container, "calculator", "kind", {"n": n}) for n in (5, 20, 99)]
        assert kinds == ["small", "medium", "any"]
        handler.unregisterAPI("kind")
        with pytest.raises(APINotFoundException):
            await call_api(container, "calculator", "kind", {"n": 1})
        handler.registerAPI("old", handler.reject)
        with pytest.raises(APIRejectedException, match="calculator/old"):
            await call_api(container, "calculator", "old")

    with_modules(scenario)


def test_a_notification_reaches_everybody():
    async def wait(container, seen):
        event = await ModuleNotification.createMatcher(target="calculator", name="changed")
        seen.append(event.what)

    async def scenario(container, server):
        seen = []
        for _ in range(2):
            container.subroutine(wait(container, seen))
        await container.do_events()
        await container.wait_for_send(ModuleNotification("calculator", "changed", what=7))
        await container.do_events()
        assert seen == [7, 7]

    with_modules(scenario)
