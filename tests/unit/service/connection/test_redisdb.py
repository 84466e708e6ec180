"""What the Redis store leaves in the database, what it reads of others, and its configuration."""

from __future__ import annotations

import json
import pathlib
import zlib

import pytest
from support.dbmodules import ModuleHost, configured
from support.poller import run_scheduler
from support.redisserver import RedisServer, flush
from support.redisstores import command, run_stores

from vlcp.protocol.redis import RedisConnectionStateEvent, RedisSubscribeMessageEvent
from vlcp.service.connection.redisdb import RedisDB
from vlcp.utils.dataobject import ReferenceObject, UniqueKeyReference
from vlcp.utils.jsonencoder import StoredValueError
from vlcp.utils.networkmodel import LogicalNetwork, LogicalPort
from vlcp.utils.notifier import UpdateNotification
from vlcp.utils.redisclient import RedisConnectionDown

pytestmark = pytest.mark.redis
redis = pytest.importorskip("redis")
SAMPLES = pathlib.Path(__file__).resolve().parents[3] / "data" / "redis_of_vlcp2.tsv"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running):
    flush(running)
    return running


@pytest.fixture
def peer(server):
    with redis.Redis(port=server.port) as client:
        yield client


def port():
    made = LogicalPort.create_instance("p.1")
    made.network = ReferenceObject(LogicalNetwork.default_key("n"))
    made.mac_address = "02:00:00:00:00:01"
    made.hostname = "ü"
    return made


def test_redis_py_reads_what_was_written_in_the_shared_form(server, peer):
    async def test(container, store):
        await store.mset(((port().getkey(), port()), ("plain", [1, None])))

    run_stores(test, server.url)
    stored = peer.get("viperflow.logicalport.p++1")
    assert stored[:2] == b"\x78\x01"
    assert json.loads(zlib.decompress(stored)) == {
        "<vlcpjsonencode/vlcp.utils.networkmodel.LogicalPort>": {
            "network": {"<vlcpjsonencode/vlcp.utils.dataobject.ReferenceObject>": "viperflow.logicnetwork.n"},
            "mac_address": "02:00:00:00:00:01",
            "hostname": "\u00fc",
        }
    }
    assert b"\\u00fc" in zlib.decompress(stored)
    assert json.loads(zlib.decompress(peer.get("plain"))) == [1, None]


def test_what_redis_py_wrote_is_read_and_locked_out_by_its_transactions(server, peer):
    peer.set("deflated", zlib.compress(b'{"a": 1}', 1))
    peer.set("plain", b'{"a": 2}')

    async def test(container, store):
        assert await store.mget(("deflated", "plain")) == [{"a": 1}, {"a": 2}]
        with peer.pipeline() as pipe:
            pipe.watch("plain")
            await store.update("plain", lambda key, value: {"a": value["a"] + 1})
            pipe.multi()
            pipe.set("plain", b"lost")
            with pytest.raises(redis.WatchError):
                pipe.execute()
        assert await store.get("plain") == {"a": 3}

    run_stores(test, server.url)


def test_a_database_that_vlcp_2_wrote_is_read_and_written_back_as_it_was(server, peer):
    samples = dict(line.split("\t") for line in SAMPLES.read_text().splitlines())
    for key, text in samples.items():
        peer.set(key, zlib.compress(text.encode("ascii"), 1))

    async def test(container, store):
        assert sorted(await store.listallkeys()) == sorted(samples)
        keys = list(samples)
        values = await store.mget(keys)
        assert all(value is not None for value in values)
        await store.mset(list(zip(keys, values)))

    run_stores(test, server.url)
    for key, text in samples.items():
        assert canonical(json.loads(zlib.decompress(peer.get(key)))) == canonical(json.loads(text))


def canonical(value):
    """Return a JSON value with the members of sets in one order."""
    if isinstance(value, list):
        return sorted(map(canonical, value), key=json.dumps)
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()}
    return value


@pytest.mark.parametrize(
    "stored",
    [
        b"\x80\x04.",
        b"{",
        b"[" * 5000,
        zlib.compress(b"[" * 5000, 1),
        b'{"<vlcpjsonencode/os.system>": "x"}',
        b'{"<vlcpjsonencode/vlcp.config.config.Configurable>": {}}',
        zlib.compress(b"0" * 70_000_000, 9),
    ],
)
def test_hostile_values_are_refused_by_name_and_hurt_nobody_else(server, peer, stored):
    peer.set("evil", stored)
    peer.set("good", b"1")

    async def test(container, store):
        with pytest.raises(StoredValueError) as caught:
            await store.mgetwithcache(("good", "evil"))
        assert caught.value.key == "evil"
        with pytest.raises(StoredValueError):
            await store.update("evil", lambda key, value: value)
        assert await store.get("good") == 1
        await store.delete("evil")
        assert await store.mget(("good", "evil")) == [1, None]

    run_stores(test, server.url)


def test_values_expire(server, peer):
    async def test(container, store):
        await store.set("k", 1, 100)
        assert 99000 < peer.pttl("k") <= 100000
        await store.mset((("a", 1), ("b", 2)), 0.1)
        assert await store.get("k", 200) == 1
        assert peer.pttl("k") > 150000
        await container.wait_with_timeout(0.15)
        assert await store.mget(("a", "b", "k")) == [None, None, 1]
        await store.set("k", 2, 0)
        assert await store.get("k") is None

    run_stores(test, server.url)


def test_own_keys_of_the_store_are_few_not_listed_and_cannot_be_written(server, peer):
    async def test(container, store):
        for _ in range(50):
            await store.update("k", lambda key, value: (value or 0) + 1)
        assert await store.listallkeys() == ["k"]
        assert len(peer.keys()) <= 3
        assert all(peer.pttl(key) > 0 for key in peer.keys("vlcp._reserved.*"))
        with pytest.raises(ValueError, match="reserved"):
            await store.set("vlcp._reserved.redisdb.clock", 1)

    run_stores(test, server.url)


def test_many_keys_are_listed(server):
    async def test(container, store):
        keys = ["key%d" % number for number in range(3500)]
        await store.mset([(key, 1) for key in keys])
        assert sorted(await store.listallkeys()) == sorted(keys)

    run_stores(test, server.url)


def test_virtual_hosts_have_their_own_server_database_and_client(server, peer):
    async def main(container):
        host = ModuleHost(container)
        (module,) = await host.start(RedisDB)
        try:
            await module.set("k", 1)
            await module.set("k", 2, vhost="other")
            assert [await module.get("k"), await module.get("k", vhost="other")] == [1, 2]
            client, encoder, decoder = await host.call("redisdb", "getclient", vhost="other")
            stored = await client.execute_command(container, "GET", "k")
            assert decoder(stored) == 2
            assert stored == encoder(2) == b"2"
            assert decoder(None) is None
            with pytest.raises(ValueError, match="nowhere"):
                await module.get("k", vhost="nowhere")
        finally:
            await host.stop()

    other = {
        "module__redisdb__vhost__other__url": server.url,
        "module__redisdb__vhost__other__db": 3,
        "module__redisdb__vhost__other__deflate": False,
    }
    with configured(module__redisdb__url=server.url, **other):
        run_scheduler(main)
    assert json.loads(zlib.decompress(peer.get("k"))) == 1
    assert command(server, "INFO", "keyspace").count(b"db3:") == 1


def test_pickle_needs_permission(server):
    async def test(container, store):
        await store.set("k", {1: "int key"})
        assert await store.get("k") == {1: "int key"}

    with pytest.raises(ValueError, match="allowpickle"):
        run_stores(test, server.url, serialize="pickle")
    run_stores(test, server.url, serialize="pickle", allowpickle=True)


def test_a_configuration_that_cannot_work_is_refused(server):
    with pytest.raises(ValueError, match="module.redisdb, URL"):
        run_stores(None, "tcp:///")


def test_a_changed_configuration_takes_effect_and_old_connections_end(server, tmp_path):
    with RedisServer(tmp_path) as second:

        async def test(container, store):
            notifier, seen = store.createnotifier(), []
            notifier.add_callback(seen.append)
            await notifier.start(container)
            await notifier.add_listen("k")
            await store.set("k", 1)
            type(store).url = second.url
            await store.updateconfig()
            assert await store.get("k") is None
            while not seen or seen[-1].reason != UpdateNotification.RESTORED:
                await container.wait_with_timeout(0.01)
            await store.set("k", 2)
            while seen[-1].keys != ("k",):
                await container.wait_with_timeout(0.01)

        run_stores(test, server.url)
        assert (command(server, "GET", "k"), command(second, "GET", "k")) == (zlib.compress(b"1", 1), zlib.compress(b"2", 1))


def test_whether_messages_have_come_is_not_claimed_while_they_may_be_lost(server, peer):
    async def test(container, store):
        notifier = store.createnotifier()
        await notifier.start(container)
        await notifier.add_listen("k")
        _, cache = await store.mgetwithcache(("k",))
        assert cache.mark is None and not await notifier.heard(cache.mark)
        _, cache = await store.mgetwithcache(("k",), cache=cache)
        assert await notifier.heard(cache.mark)
        peer.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        begin = container.scheduler.current_time
        assert not await notifier.heard("never published")
        assert container.scheduler.current_time - begin < 2

    run_stores(test, server.url)


def test_an_updater_that_wants_keys_that_are_known_or_new_index_entries_has_them_in_the_same_transaction(server, peer):
    entry = UniqueKeyReference.default_key("prefix", "index", "value")

    class Wanted(Exception):
        needs_no_check = True

        def __init__(self, *keys):
            self.wanted_keys = keys

    runs = []

    def updater(keys, values, timestamp):
        runs.append(keys)
        if "b" not in keys:
            raise Wanted("b", entry)
        found = dict(zip(keys, values))
        return ("a", entry), ([found["a"], found["b"], found[entry]], "taken")

    async def test(container, store):
        await store.mset((("a", 1), ("b", 2)))
        await store.updateallwithtime(("a",), updater)
        assert runs == [("a",), ("a", "b", entry)]
        assert await store.mget(("a", entry)) == [[1, 2, None], "taken"]
        peer.set("b", zlib.compress(b"3"))
        peer.set(entry, zlib.compress(b'"of another"'))
        await store.updateallwithtime(("a",), updater)
        assert await store.get("a") == [[1, 2, None], 3, "of another"]
        with pytest.raises(Wanted):
            await store.updateallwithtime(("a",), lambda keys, values, timestamp: raise_wanted("c"))

    def raise_wanted(key):
        raise Wanted(key)

    run_stores(test, server.url)


def test_reads_in_a_session_that_is_not_up_are_not_heard_of(server):
    async def test(container, store):
        notifier, seen = store.createnotifier(), []
        notifier.add_callback(seen.append)
        await notifier.start(container)
        module = store.notifying
        connection = module.client.subscribe_connection(container)
        up = RedisConnectionStateEvent.CONNECTION_UP
        number, protocol = connection.connmark, connection.protocol

        def publish(mark, session):
            names = (RedisSubscribeMessageEvent.MESSAGE, module.echo, module.echo, connection, session, protocol)
            container.scheduler.emergesend(RedisSubscribeMessageEvent(*names, message=mark))

        publish(b"old", number)
        publish(b"early", number + 1)
        await container.wait_with_timeout(0.05)
        assert await notifier.heard("old") and seen == []
        container.scheduler.emergesend(RedisConnectionStateEvent(up, connection, number + 1, protocol))
        publish(b"new", number + 1)
        await container.wait_with_timeout(0.05)
        assert [note.reason for note in seen] == [UpdateNotification.RESTORED]
        assert await notifier.heard("new")
        assert "old" not in notifier._marks and "early" not in notifier._marks

    run_stores(test, server.url)


def test_a_read_that_is_tried_again_is_told_of_under_another_name(server):
    async def test(container, store):
        client, sent = store.store().client, []
        _, cache = await store.mgetwithcache(("k",))
        execute = client.batch_execute

        async def lose_the_first_reply(container, *commands, **settings):
            sent.append(commands)
            replies = await execute(container, *commands, **settings)
            if len(sent) == 1:
                raise RedisConnectionDown("the reply is lost")
            return replies

        client.batch_execute = lose_the_first_reply
        _, cache = await store.mgetwithcache(("k",), cache=cache)
        assert [commands[0] for commands in sent] == [("MGET", "k")] * 2
        assert [commands[1][-1] for commands in sent] == ["1", "2"] and cache.mark == "2"

    run_stores(test, server.url)
