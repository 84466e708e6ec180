"""Copies a database from one store to another, or changes its stored form (manual 5.4.3)."""

from __future__ import annotations

import sys
import time
from typing import List, Optional

import vlcp.utils.networkmodel  # noqa: F401  (its classes are converted)
from vlcp.config import defaultconfig, manager
from vlcp.scripts.script import ScriptModule
from vlcp.server.module import ModuleLoadException
from vlcp.service.kvdb.transfer import Copied, Store, convert, copy, differences
from vlcp.utils.exceptions import StorageUnavailableException
from vlcp.utils.jsonencoder import keep_unknown

_PROGRESS_SECONDS = 1.0
_CONNECT_ATTEMPTS = 10
_SHOWN = 20


@defaultconfig
class MigrateDB(ScriptModule):
    """migratedb.py -f FILE [--clean] [--form FORM] SRC[:VHOST] DST[:VHOST]
    migratedb.py -f FILE --form FORM STORE[:VHOST]

    Copies all keys from the store SRC to the store DST, and compares the copy with the source.

    SRC and DST are sqlitedb, redisdb, zookeeperdb, defaultdb (what proxy.kvstorage names), or loading paths of
    modules. VHOST is one of the virtual hosts of the module. FILE configures them.

    Stop all controllers that use DST first, and better those of SRC too. When it is interrupted, run it again.

    --clean      delete the keys of DST that SRC does not have
    --form FORM  store the copy in this form: 'shared' can be read and written by VLCP 2 too (set
                 module.objectdb.sharedwithv2), 'scalable' makes changes of large networks cheap. With one store only,
                 or with the same one twice, it is changed in place, object by object; it can be read all the time."""

    options = (("clean", None, False), ("form", None))
    knownmodules = {
        "sqlitedb": "vlcp.service.connection.sqlitedb.SQLiteDB",
        "redisdb": "vlcp.service.connection.redisdb.RedisDB",
        "zookeeperdb": "vlcp.service.connection.zookeeperdb.ZooKeeperDB",
        "defaultdb": "vlcp.service.kvdb.storage.KVStorage",
    }
    status = 1
    """exit status; 0 when all work succeeded"""

    async def run(  # type: ignore[override]
        self, src: str, dst: Optional[str] = None, clean: Optional[str] = None, form: Optional[str] = None
    ) -> None:
        """Copy, convert and compare.

        :param src: store to read
        :param dst: store to write; None changes ``src`` in place
        :param clean: anything but None deletes surplus keys
        :param form: 'shared', 'scalable', or None for that of each object
        """
        keep_unknown()
        self._told = time.monotonic()
        try:
            await self._work(src, dst, clean is not None, form)
        except (ValueError, ModuleLoadException, StorageUnavailableException) as error:
            print("migratedb: %s" % (error,), file=sys.stderr)
        else:
            type(self).status = 0

    async def _work(self, src: str, dst: Optional[str], clean: bool, form: Optional[str]) -> None:
        if form not in (None, "shared", "scalable"):
            raise ValueError("--form must be 'shared' or 'scalable', got %r" % (form,))
        if dst in (None, src) and form is None:
            raise ValueError("a second store or --form is needed")
        shared = None if form is None else form == "shared"
        source = await self._open(src)
        if dst is None or dst == src:
            changed = await convert(source, bool(shared), self._report)
            print("%s: %d objects changed to the %s form" % (source.name, changed, form))
            return
        target = await self._open(dst)
        if target.name == source.name:
            raise ValueError("%s and %s are the same store" % (src, dst))
        self._tell(source, target, await copy(source, target, clean, shared, self._report))
        await self._verify(source, target, shared)

    async def _open(self, text: str) -> Store:
        """Load the module of a store and wait until it answers."""
        name, _, vhost = text.partition(":")
        known = manager.get("main.knownmodules") or self.knownmodules
        module = await self.server.moduleloader.load_by_path(known.get(name, name))
        store = Store(self.apiroutine, module.get_service_name(), vhost)
        for attempt in range(_CONNECT_ATTEMPTS):
            try:
                await store.read(())
                break
            except StorageUnavailableException:
                if attempt == _CONNECT_ATTEMPTS - 1:
                    raise
                await self.apiroutine.wait_with_timeout(0.5)
        return store

    def _report(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self._told >= _PROGRESS_SECONDS:
            self._told = now
            print("%s %d of %d keys (%d %%)" % (what, done, total, 100 * done // max(total, 1)), flush=True)

    @staticmethod
    def _tell(source: Store, target: Store, result: Copied) -> None:
        for line in result.skipped:
            print("not copied: %s" % (line,), file=sys.stderr)
        print("%s to %s: %d keys copied, %d deleted" % (source.name, target.name, result.copied, result.deleted))

    async def _verify(self, source: Store, target: Store, shared: Optional[bool]) -> None:
        found: List[str] = await differences(source, target, shared, self._report)
        for line in found[:_SHOWN]:
            print(line, file=sys.stderr)
        if found:
            raise ValueError("the copy differs from its source in %d keys" % (len(found),))
        print("the copy is the same as its source")

    @classmethod
    def main(cls) -> None:
        """Run the script; see :meth:`ScriptModule.main`.

        :raises SystemExit: also with status 1, when the work failed
        """
        try:
            super().main()
        except SystemExit as done:
            failed = cls.status if manager.get("main.args") is not None else 0
            sys.exit(done.code or failed)


if __name__ == "__main__":
    MigrateDB.main()
