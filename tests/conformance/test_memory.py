"""The store in memory, which other tests rely on, keeps the contract too."""

from __future__ import annotations

from conformance.notifier_suite import NotifierSuite
from conformance.storage_suite import StorageSuite
from support.dbmodules import ModuleHost
from support.memorykv import MemoryKV, MemoryStore


class TestMemory(StorageSuite, NotifierSuite):
    async def open_stores(self, container, count):
        host, shared = ModuleHost(container), MemoryStore()
        classes = [type("MemoryKV%d" % number, (MemoryKV,), {"store": shared}) for number in range(count)]
        return list(await host.start(*classes))
