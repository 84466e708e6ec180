"""The walk, wait and walk again of FlowUpdater, on a database module of one dictionary and a manual clock."""

from __future__ import annotations

from types import SimpleNamespace

from support.modules import run_modules

from vlcp.server.module import Module, api
from vlcp.utils.dataobject import DataObject, DataObjectUpdateEvent
from vlcp.utils.flowupdater import FlowUpdater
from vlcp.utils.walkerlib import Walkers


class Thing(DataObject):
    _prefix = "flowupdater.thing"
    _indices = ("id",)


def key(name):
    return Thing.default_key(name)


class FakeObjectDB(Module):
    """Just ``walk``, ``munwatch`` and ``unwatchall``; ``fail`` makes the next walks fail."""

    servicename = "objectdb"

    def __init__(self, server):
        super().__init__(server)
        self.objects, self.watched, self.walks, self.fail = {}, set(), [], 0
        self.create_api(*[api(method, self.apiroutine) for method in (self.walk, self.munwatch, self.unwatchall)])

    async def walk(self, keys, walkerdict, requestid, nostale=False):
        if self.fail:
            self.fail -= 1
            raise OSError("the database is away")
        saved = {}
        self.walks.append(sorted(walkerdict))
        for name, walker in walkerdict.items():
            walker(name, self.objects.get(name), self.objects.get, lambda found: saved.setdefault(found))
        self.watched |= set(saved)
        return list(saved), [self.objects.get(found) for found in saved]

    async def munwatch(self, keys, requestid):
        self.watched -= set(keys)

    async def unwatchall(self, requestid):
        self.watched = set()

    def put(self, name, **attributes):
        """Store an object, or remove it when there are no attributes, and tell."""
        kind = DataObjectUpdateEvent.UPDATED
        if attributes:
            value = self.objects[key(name)] = Thing.create_instance(name)
            value.__dict__.update(attributes)
        else:
            kind = DataObjectUpdateEvent.DELETED
            self.objects.pop(key(name), None)
        self.scheduler.emergesend(DataObjectUpdateEvent(key(name), "transaction", kind, object=None))


def follow(name, value, walk, save):
    """A thing and the one that it points to."""
    save(name)
    if value is not None and getattr(value, "other", None):
        other = key(value.other)
        walk(other)
        save(other)


class Recorder(FlowUpdater):
    def __init__(self, connection, *names):
        super().__init__(connection)
        self._walkerdict = {key(name): follow for name in names}
        self.updates, self.completed, self.ignored = [], 0, False

    async def walkcomplete(self, keys, values):
        self.completed += 1

    def shouldupdate(self, newvalues, updatedvalues):
        return not self.ignored

    async def updateflow(self, connection, addvalues, removevalues, updatedvalues):
        self.updates.append(tuple(sorted(value.id for value in values) for values in (addvalues, removevalues, updatedvalues)))

    def want(self, *names):
        self._walkerdict = {key(name): follow for name in names}
        self.refresh_walkers()


def on_database(*names, **objects):
    """Decorate ``async def test(database, updater, settle)``: an updater with walkers of ``names`` on a database."""

    def decorate(test):
        async def main(container, server):
            database = await server.moduleloader.loadmodule(FakeObjectDB)
            for name, attributes in objects.items():
                database.put(name, **attributes)
            updater = Recorder(SimpleNamespace(scheduler=container.scheduler), *names)

            async def settle(seconds=0.1):
                await container.wait_with_timeout(seconds)

            try:
                await test(database, updater, settle)
            finally:
                updater.close()
                await settle()
            assert database.watched == set()

        def run():
            run_modules(main, manual=True)

        run.__name__ = test.__name__
        return run

    return decorate


@on_database("a", "b", a={"other": "c"}, b={"x": 1}, c={"x": 1})
async def test_the_first_walk_adds_everything_and_a_change_runs_one_walker(database, updater, settle):
    updater.start()
    await settle()
    assert updater.updates == [(["a", "b", "c"], [], [])]
    assert database.watched == {key(name) for name in "abc"}
    database.put("c", x=2)
    await settle()
    assert updater.updates[1:] == [([], [], ["c"])]
    assert database.walks == [[key("a"), key("b")], [key("a")]]
    assert updater.completed == 2


@on_database("a", a={"other": "c"}, c={"x": 1})
async def test_what_no_walker_saves_any_more_is_removed_and_not_watched(database, updater, settle):
    updater.start()
    await settle()
    database.put("a", other=None, x=1)
    await settle()
    assert updater.updates[1:] == [([], ["c"], ["a"])]
    assert database.watched == {key("a")}


@on_database("a", "b", b={"x": 1})
async def test_an_object_that_comes_and_goes_is_new_and_gone(database, updater, settle):
    updater.start()
    await settle()
    database.put("a", x=1)
    await settle()
    database.put("a")
    await settle()
    assert updater.updates == [(["b"], [], []), (["a"], [], []), ([], ["a"], [])]


@on_database("a", a={"x": 1}, b={"x": 1})
async def test_walkers_that_come_and_go_cost_only_themselves(database, updater, settle):
    updater.start()
    await settle()
    updater.want("a", "b")
    await settle()
    updater.want("b")
    await settle()
    assert updater.updates == [(["a"], [], []), (["b"], [], []), ([], ["a"], [])]
    assert database.walks == [[key("a")], [key("b")]]


@on_database("a", a={"x": 1})
async def test_a_failed_first_walk_is_tried_again(database, updater, settle):
    database.fail = 2
    updater.start()
    await settle()
    assert updater.updates == []
    await settle(3)
    assert updater.updates == [(["a"], [], [])]


@on_database("a", a={"x": 1})
async def test_a_restart_walks_everything_and_a_forced_update_needs_no_change(database, updater, settle):
    updater.start()
    await settle()
    await updater.restart_walk()
    await settle()
    updater.updateobjects([database.objects[key("a")]])
    await settle()
    updater.request_update()
    await settle()
    assert updater.updates[1:] == [([], [], ["a"]), ([], [], ["a"]), ([], [], [])]
    assert len(database.walks) == 2


@on_database("a", a={"x": 1})
async def test_an_update_that_should_not_be_is_ignored(database, updater, settle):
    updater.start()
    await settle()
    updater.ignored = True
    database.put("a", x=2)
    await settle()
    assert len(updater.updates) == 1


@on_database("a", "b", a={"x": 1}, b={"x": 1})
async def test_many_changes_in_one_turn_are_one_update(database, updater, settle):
    updater.start()
    await settle()
    database.put("a", x=2)
    database.put("b", x=2)
    database.put("a", x=3)
    await settle()
    assert len(updater.updates) <= 3
    assert sorted({name for update in updater.updates[1:] for name in update[2]}) == ["a", "b"]


@on_database(a={"x": 1}, b={"x": 1}, c={"x": 1})
async def test_walkers_that_know_what_changed_are_taken_one_by_one_also_after_a_walk_that_failed(database, updater, settle):
    updater._wants_everything = False
    walkers = updater._walkerdict = Walkers()
    walkers.put(key("a"), follow)
    updater.start()
    await settle()
    walkers.put(key("b"), follow)
    walkers.drop(key("a"))
    walkers.drop(key("unknown"))
    assert walkers.changed == {key("a"), key("b")}
    updater.request_update()
    await settle()
    assert updater.updates == [(["a"], [], []), (["b"], ["a"], [])] and not walkers.changed
    database.fail = 1
    walkers.put(key("c"), follow)
    updater.request_update()
    await settle()
    assert not walkers.changed and len(updater.updates) == 2
    await settle(2)
    assert updater.updates[2:] == [(["c"], [], [])]
    assert database.walks == [[key("a")], [key("b")], [key("c")]]
