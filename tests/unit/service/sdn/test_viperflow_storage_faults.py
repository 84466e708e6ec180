"""What viperflow's calls say when the store fails in a bad moment."""

from __future__ import annotations

import pytest
from support.dbmodules import configured
from support.memorykv import MemoryKV, MemoryStore
from support.modules import run_modules

from vlcp.server.module import call_api
from vlcp.service.sdn.plugins.networknativedriver import NetworkNativeDriver
from vlcp.service.sdn.viperflow import ViperFlow
from vlcp.utils.exceptions import StorageOutcomeUnknownException
from vlcp.utils.networkmodel import PhysicalNetwork


@pytest.fixture
def store(monkeypatch):
    store = MemoryStore()
    monkeypatch.setattr(MemoryKV, "store", store)
    path = "support.memorykv.MemoryKV"
    with configured(proxy__kvstorage=path, proxy__updatenotifier=path):
        yield store


def test_the_module_loads_when_the_reply_to_its_first_commit_is_lost(store):
    async def main(container, server):
        store.lose_reply = True
        await server.moduleloader.loadmodule(ViperFlow)
        assert await call_api(container, "viperflow", "listphysicalnetworks", {}) == []

    run_modules(main, manual=True)


def test_a_call_that_is_carried_out_is_not_refused_when_its_result_cannot_be_read(store):
    async def main(container, server):
        for module in (ViperFlow, NetworkNativeDriver):
            await server.moduleloader.loadmodule(module)
        # The store fails after the commit of the call.
        put = store.put

        def last_put(key, value):
            put(key, value)
            store.unavailable = True

        store.put = last_put
        with pytest.raises(StorageOutcomeUnknownException, match="carried out, but"):
            await call_api(container, "viperflow", "createphysicalnetwork", {"type": "native", "id": "n"})
        assert PhysicalNetwork.default_key("n") in store.data
        store.unavailable = False

    run_modules(main, manual=True)
