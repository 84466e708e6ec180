"""Numbers of networks in the switch's database."""

from __future__ import annotations

import json

import pytest
from support.flowbench import FakeOvsdb
from support.modules import run_modules

from vlcp.event.runnable import RoutineContainer
from vlcp.service.sdn._netnumbers import COLUMN_KEY, NumberStore


class Updater(RoutineContainer):
    """What a store uses of the updater of a switch."""

    def start_helper(self, coroutine):
        self.subroutine(coroutine)


def stored():
    return json.loads(FakeOvsdb.external_ids.get(COLUMN_KEY, "null"))


@pytest.fixture(autouse=True)
def fresh_ovsdb(monkeypatch):
    monkeypatch.setattr(FakeOvsdb, "external_ids", {})


def run(scenario):
    async def main(container, server):
        await server.moduleloader.loadmodule(FakeOvsdb)
        await scenario(container, lambda: NumberStore(Updater(server.scheduler), 1, ""))

    run_modules(main, manual=True)


def test_numbers_are_stored_and_found_again():
    async def scenario(container, store):
        store().save({"a": 1, "b": 2})
        await container.wait_with_timeout(1.0)
        assert await store().load() == {"a": 1, "b": 2}

    run(scenario)


def test_what_an_earlier_instance_has_stored_is_replaced_also_by_nothing():
    async def scenario(container, store):
        store().save({"a": 1})
        await container.wait_with_timeout(1.0)
        store().save({})
        await container.wait_with_timeout(1.0)
        assert stored() == {}

    run(scenario)


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"a": "b"}'])
def test_stored_nonsense_counts_as_nothing(text):
    async def scenario(container, store):
        FakeOvsdb.external_ids[COLUMN_KEY] = text
        assert await store().load() == {}

    run(scenario)
