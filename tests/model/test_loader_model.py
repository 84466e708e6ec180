"""Loading and unloading in random order, compared with sets of names."""

import random

import pytest
from support.modules import run_modules

from vlcp.server.module import Module, ModuleLoadStateChanged


def make_classes(rng, log):
    """Return module classes ``m0..m9``; each depends on some that stand before it, some take time, some are services."""
    classes = []
    for number in range(10):
        classes.append(
            type(
                f"M{number}",
                (Recorded,),
                {
                    "depends": tuple(rng.sample(classes, min(len(classes), rng.randrange(3)))),
                    "service": rng.random() < 0.4,
                    "delay": rng.choice([0, 0, 1, 5]),
                    "log": log,
                    "__module__": __name__,
                },
            )
        )
    return classes


class Recorded(Module):
    """Checks at its start and end that what it depends on works."""

    async def load(self, container):
        self.check()
        await container.wait_with_timeout(self.delay)
        self.check()
        self.log.append(("+", type(self)))
        await super().load(container)

    async def unload(self, container, force=False):
        self.log.append(("-", type(self)))
        self.check()
        await container.wait_with_timeout(self.delay)
        self.check()
        await super().unload(container, force)

    def check(self):
        for dep in self.depends:
            assert [sign for sign, cls in self.log if cls is dep][-1:] == ["+"], (type(self), dep)


def loaded_with(cls):
    """Return a class and everything that it needs."""
    return {cls}.union(*(loaded_with(dep) for dep in cls.depends))


def after_unload(running, cls):
    """Return what runs after a class was unloaded, if ``running`` ran before."""
    left = {one for one in running if cls not in loaded_with(one)}
    released = {dep for one in running - left for dep in one.depends}
    while True:
        idle = {one for one in left & released if one.service and not any(one in other.depends for other in left)}
        if not idle:
            return left
        left -= idle
        released = {dep for one in idle for dep in one.depends} | released


@pytest.mark.parametrize("seed", range(25))
def test_what_runs_is_what_the_sets_say(seed):
    rng = random.Random(seed)
    log = []
    classes = make_classes(rng, log)
    steps = []

    async def scenario(container, server):
        loader = server.moduleloader
        running = set()
        for _ in range(15):
            chosen = rng.sample(classes, rng.randrange(1, 4))
            if rng.random() < 0.6:
                steps.append(("load", chosen))
                await container.execute_all([loader.loadmodule(cls) for cls in chosen])
                running = running.union(*(loaded_with(cls) for cls in chosen))
            elif chosen[0] in running:
                steps.append(("unload", chosen[0]))
                await loader.unloadmodule(chosen[0])
                running = after_unload(running, chosen[0])
            assert {type(one) for one in loader.active.values()} == running, (seed, steps)
            assert all(one.state == ModuleLoadStateChanged.SUCCEEDED for one in loader.active.values())
        for cls in classes:
            starts = [sign for sign, one in log if one is cls]
            assert starts == ["+", "-"] * (len(starts) // 2) + ["+"] * (len(starts) % 2)

    run_modules(scenario, manual=True)


@pytest.mark.parametrize("seed", range(25))
def test_loads_and_unloads_at_the_same_time_never_take_away_what_is_in_use(seed):
    rng = random.Random(1000 + seed)
    classes = make_classes(rng, [])

    async def one(container, loader):
        for _ in range(6):
            cls = rng.choice(classes)
            await (loader.loadmodule(cls) if rng.random() < 0.6 else loader.unloadmodule(cls))
            await container.wait_with_timeout(rng.choice([0, 1, 2]))

    async def scenario(container, server):
        loader = server.moduleloader
        await container.execute_all([one(container, loader) for _ in range(4)])
        for instance in loader.active.values():
            assert instance.state == ModuleLoadStateChanged.SUCCEEDED
            instance.check()
        for cls in classes:
            await loader.unloadmodule(cls)
        assert loader.active == {}

    run_modules(scenario, manual=True)
