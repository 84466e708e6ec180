"""The ZooKeeper client: sessions, watches that survive reconnects, chroot, authentication, lost replies, TLS."""

from __future__ import annotations

import itertools
import ssl
import struct
import time

import pytest
from kazoo.client import KazooClient
from support.fakezk import EXPIRED, FakeZooKeeper, reply
from support.poller import run_scheduler
from support.tcpproxy import TcpProxy
from support.tls import Authority
from support.zkserver import Ensemble, require_zookeeper

from vlcp.event.future import FutureCancelledException
from vlcp.protocol.zookeeper import jute
from vlcp.utils import zookeeper as zk
from vlcp.utils.zkclient import (
    ZooKeeperClient,
    ZooKeeperIllegalPathException,
    ZooKeeperRestoreWatches,
    ZooKeeperSessionStateChanged,
    ZooKeeperSessionUnavailable,
)

_chroots = itertools.count(1)
STAT = struct.pack(">qqqqiiiqiiq", *range(1, 12))


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory):
    require_zookeeper()
    with Ensemble(tmp_path_factory.mktemp("zk")) as servers:
        yield servers


@pytest.fixture
def proxy(ensemble):
    with TcpProxy("127.0.0.1", ensemble.nodes[0].port) as one:
        yield one


@pytest.fixture
def other(ensemble):
    client = KazooClient(ensemble.hosts())
    client.start()
    yield client
    client.stop()
    client.close()


def run(test, urls, chroot=None, timeout=20, **settings):
    """Run ``test(container, client)`` with a started client."""
    arguments = {name: settings.pop(name) for name in ("readonly", "restart_session") if name in settings}

    async def main(container):
        client = ZooKeeperClient(container, urls, chroot or "/client%d" % (next(_chroots),), **arguments)
        for name, value in settings.items():
            setattr(client, name, value)
        client.start()
        try:
            return await test(container, client)
        finally:
            await client.shutdown()

    return run_scheduler(main, timeout)


async def ask(container, client, *requests):
    """Return the responses; all must come."""
    responses, lost, retry, _ = await client.requests(requests, container, 10)
    assert (lost, retry) == ([], [])
    return responses


def states_of(container, client):
    """Return a list that gets the states of the session from now on."""
    states = []

    async def watch():
        matcher = ZooKeeperSessionStateChanged.createMatcher(None, client)
        while True:
            states.append((await matcher).state)

    container.subroutine(watch(), False, daemon=True)
    return states


async def until(container, test, limit=8.0):
    began = time.monotonic()
    while not test():
        assert time.monotonic() - began < limit
        await container.wait_with_timeout(0.01)


def test_the_chroot_is_created_and_hidden(ensemble, other):
    async def test(container, client):
        created, made, deleted, children = await ask(
            container,
            client,
            zk.create("/x", b"data"),
            zk.multi(zk.multi_create("/y-", b"", sequence=True), zk.multi_setdata("/x", b"new")),
            zk.delete("/nothing"),
            zk.getchildren2("/"),
        )
        assert created.path == b"/x"
        assert made.responses[0].path == b"/y-0000000001"
        assert deleted.err == zk.ZOO_ERR_NONODE
        assert sorted(children.children) == [b"x", b"y-0000000001"]
        assert other.get("/deep/er/x")[0] == b"new"
        assert (client.chroot_path("/x"), client.unchroot_path("/deep/er/x")) == ("/deep/er/x", "/x")
        assert (client.chroot_path("/"), client.unchroot_path("/elsewhere")) == ("/deep/er", "/elsewhere")

    run(test, ensemble.serverlist, "/deep/er/")


@pytest.mark.parametrize("path", ["", "x", "/x/", "//", "/a//b", "/a/./b", "/..", "/a\0b"])
def test_a_path_that_is_none_is_refused_before_anything_is_sent(ensemble, path):
    async def test(container, client):
        with pytest.raises(ZooKeeperIllegalPathException):
            await client.requests([zk.getdata(path)], container)

    run(test, ensemble.serverlist)


def test_watches_tell_what_happened_once(ensemble, other):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""))
        _, _, _, watchers = await client.requests(
            [
                zk.getdata("/x", True),
                zk.exists("/new", True),
                zk.getchildren("/", True),
                zk.getdata("/no", True),
                zk.getdata("/x"),
            ],
            container,
        )
        assert [watcher is None for watcher in watchers] == [False, False, False, True, True]
        base = client.chroot
        other.set(base + "/x", b"1")
        other.create(base + "/new", b"")
        events = [await watcher.wait() for watcher in watchers[:3]]
        assert [(event.type, event.path) for event in events] == [
            (zk.CHANGED_EVENT_DEF, "/x"),
            (zk.CREATED_EVENT_DEF, "/new"),
            (zk.CHILD_EVENT_DEF, "/"),
        ]
        assert client.get_last_watch_zxid() <= client.get_last_zxid()

    run(test, ensemble.serverlist)


def test_a_closed_watcher_ends_its_waiters_and_a_path_can_be_watched_directly(ensemble, other):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""))
        _, _, _, (watcher,) = await client.requests([zk.getdata("/x", True)], container)
        watcher.close()
        with pytest.raises(FutureCancelledException):
            await watcher.wait()
        with pytest.raises(ValueError, match="watch_type"):
            await client.watch_path("/x", "nonsense")
        with pytest.raises(KeyError):
            await client.watch_path("/missing", "data")
        container.subroutine(_later(container, lambda: other.delete(client.chroot + "/x")), False)
        assert (await client.watch_path("/x", "data")).type == zk.DELETED_EVENT_DEF

    run(test, ensemble.serverlist)


async def _later(container, action):
    await container.wait_with_timeout(0.1)
    action()


def test_watches_survive_a_lost_connection_and_tell_what_was_missed(proxy, other):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""), zk.create("/y", b""))
        paths = [zk.getdata("/x", True), zk.exists("/new", True), zk.getchildren("/y", True), zk.getdata("/y", True)]
        _, _, _, watchers = await client.requests(paths, container)
        restored = []

        async def watch():
            restored.append(await ZooKeeperRestoreWatches.createMatcher(client))

        container.subroutine(watch(), False)
        session = client.sessionid
        proxy.refuse = True
        proxy.cut()
        await until(container, lambda: client.session_state == "disconnected")
        other.set(client.chroot + "/x", b"1")
        other.create(client.chroot + "/new", b"")
        other.create(client.chroot + "/y/child", b"")
        proxy.refuse = False
        types = [(await watcher.wait()).type for watcher in watchers[:3]]
        assert types == [zk.CHANGED_EVENT_DEF, zk.CREATED_EVENT_DEF, zk.CHILD_EVENT_DEF]
        assert not watchers[3].done()
        other.set(client.chroot + "/y", b"1")
        assert (await watchers[3].wait()).type == zk.CHANGED_EVENT_DEF
        assert client.sessionid == session and restored[0].restore

    run(test, [proxy.url])


def test_thousands_of_watches_are_restored_in_several_packets(proxy, other):
    async def test(container, client):
        count = 3000
        long = "n" * 60
        for begin in range(0, count, 500):
            await ask(container, client, *[jute_create(client, "/%s%d" % (long, n)) for n in range(begin, begin + 500)])
        calls = [jute.getdata_call(client.chroot_path("/%s%d" % (long, n)), True) for n in range(count)]
        _, _, _, watchers = await client.requests(calls, container)
        states = states_of(container, client)
        proxy.cut()
        await until(container, lambda: "reconnected" in states)
        for number in (0, 1500, 2999):
            other.set("%s/%s%d" % (client.chroot, long, number), b"1")
        for number in (0, 1500, 2999):
            assert (await watchers[number].wait()).type == zk.CHANGED_EVENT_DEF
        assert sum(watcher.done() for watcher in watchers) == 3

    run(test, [proxy.url])


def jute_create(client, path):
    return jute.part_call(jute.create_part(client.chroot_path(path)))


def test_reads_are_repeated_after_a_cut_but_a_write_whose_reply_is_lost_is_reported(proxy):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""))
        read, write, more = zk.getdata("/x"), zk.setdata("/x", b"1"), zk.exists("/x")
        proxy.lose_reply(lambda data: b"\0\0\0\4" in data)
        (response,) = await ask(container, client, read)
        assert response.data == b""
        assert proxy.lost_replies == 1
        proxy.lose_reply(lambda data: b"\0\0\0\5" in data)
        responses, lost, retry, _ = await client.requests([write, more], container, 10)
        assert lost == [write, more] and responses == [None, None]
        (response,) = await ask(container, client, read)
        assert response.data == b"1"

    run(test, [proxy.url])


def test_requests_wait_for_a_connection_only_as_long_as_they_are_told(proxy):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""))
        proxy.refuse = True
        proxy.cut()
        request = zk.getdata("/x")
        began = time.monotonic()
        responses, lost, retry, _ = await client.requests([request], container, 0.5)
        assert 0.4 < time.monotonic() - began < 1.5
        assert (responses, lost + retry) == ([None], [request])
        proxy.refuse = False

    run(test, [proxy.url])


def test_an_expired_session_ends_its_watches_and_a_new_one_begins(ensemble):
    async def test(container, client):
        await ask(container, client, zk.create("/x", b""), zk.create("/e", b"", ephemeral=True))
        old = client.sessionid
        _, _, _, (watcher,) = await client.requests([zk.getdata("/x", True)], container)
        states = states_of(container, client)
        thief = KazooClient(ensemble.hosts(), client_id=(client.sessionid, client._password))
        thief.start()
        thief.stop()
        await until(container, lambda: "created" in states)
        assert states[-2:] == ["expired", "created"]
        with pytest.raises(ZooKeeperSessionUnavailable) as raised:
            await watcher.wait()
        assert raised.value.state == ZooKeeperSessionStateChanged.EXPIRED
        assert (await ask(container, client, zk.exists("/e")))[0].err == zk.ZOO_ERR_NONODE
        with pytest.raises(ZooKeeperSessionUnavailable):
            await client.requests([zk.exists("/x")], container, session_lock=old)
        await client.requests([zk.exists("/x")], container, session_lock=client.sessionid)

    run(test, ensemble.serverlist)


def test_a_session_is_discarded_on_request_and_is_not_replaced_if_so_wanted(ensemble):
    async def test(container, client):
        await ask(container, client, zk.create("/e", b"", ephemeral=True))
        states = states_of(container, client)
        old = client.sessionid
        client.reset()
        await until(container, lambda: "created" in states)
        assert client.sessionid != old
        assert (await ask(container, client, zk.exists("/e")))[0].err == zk.ZOO_ERR_NONODE

    run(test, ensemble.serverlist)

    async def ends(container, client):
        await until(container, lambda: client.session_state == "expired")
        with pytest.raises(ZooKeeperSessionUnavailable):
            await client.requests([zk.exists("/x")], container)

    with FakeZooKeeper(greeting=EXPIRED) as server:
        run(ends, [server.url], restart_session=False)


def test_the_session_goes_to_another_server_when_one_does_not_answer_any_more(ensemble):
    port = ensemble.nodes[0].port

    async def test(container, client):
        await ask(container, client, zk.create("/x", b""))
        session = client.sessionid
        for one in (first, second):
            one.black_hole = True
            await client.reconnect()
            (response,) = await ask(container, client, zk.getdata("/x"))
            assert response.err == 0 and client.sessionid == session
            one.black_hole = False

    with TcpProxy("127.0.0.1", port) as first, TcpProxy("127.0.0.1", port) as second:
        run(test, [first.url, second.url])


def test_connections_are_spread_again_from_time_to_time(ensemble, proxy):
    async def test(container, client):
        client.sessiontimeout = 2
        await until(container, lambda: proxy.accepted >= 3)
        assert (await ask(container, client, zk.exists("/x")))[0].err == zk.ZOO_ERR_NONODE

    run(test, [proxy.url], rebalancetime=0.3, sessiontimeout=2)


def test_nodes_are_protected_by_acls_and_opened_by_authentication(ensemble):
    where = "/auth%d" % (next(_chroots),)

    async def owner(container, client):
        acl = [zk.ACL(perms=zk.ZOO_PERM_ALL, id=zk.Id(scheme=b"auth", id=b""))]
        await ask(container, client, zk.create("/secret", b"s", acl=acl), zk.create("/open", b""))
        found, changed = await ask(container, client, zk.getacl("/secret"), zk.setacl("/open", acl))
        assert found.acl[0].id.scheme == b"digest" and found.acl[0].perms == zk.ZOO_PERM_ALL
        assert changed.stat.aversion == 1
        await client.reconnect()
        await until(container, lambda: client.is_connected)
        assert (await ask(container, client, zk.getdata("/secret")))[0].data == b"s"

    async def stranger(container, client):
        answers = await ask(container, client, zk.getdata("/secret"), zk.getdata("/open"))
        assert [answer.err for answer in answers] == [zk.ZOO_ERR_NOAUTH] * 2

    run(owner, ensemble.serverlist, where, auth=[("digest", "user:password")])
    run(stranger, ensemble.serverlist, where)


def test_a_refused_authentication_is_told_and_tried_again(ensemble):
    async def test(container, client):
        await until(container, lambda: client.session_state == ZooKeeperSessionStateChanged.AUTHFAILED)
        with pytest.raises(ZooKeeperSessionUnavailable) as raised:
            await client.requests([zk.exists("/x")], container)
        assert raised.value.state == ZooKeeperSessionStateChanged.AUTHFAILED
        client.auth = []
        await until(container, lambda: client.is_connected)

    run(test, ensemble.serverlist, auth=[("nonsense", "x")])


def test_a_readonly_client_says_so_and_creates_nothing():
    async def test(container, client):
        await ask(container, client, zk.exists("/x"))

    with FakeZooKeeper(lambda server, xid, kind, body: reply(xid, STAT)) as server:
        run(test, [server.url], readonly=True)
    assert server.connects[0][-1:] == b"\1"
    assert [kind for _, kind, _ in server.requests if kind == zk.ZOO_CREATE_OP] == []


def test_tls_is_spoken_and_the_server_must_be_the_right_one(tmp_path):
    authority, stranger = Authority(tmp_path, "right"), Authority(tmp_path, "wrong")
    identity = authority.issue("server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)

    async def trusts(container, client):
        assert (await ask(container, client, zk.exists("/x")))[0].stat.czxid == 1

    async def doubts(container, client):
        responses, _, retry, _ = await client.requests([zk.exists("/x")], container, 0.5)
        assert responses == [None] and len(retry) == 1

    def answer(server, xid, kind, body):
        return reply(xid, body[:4] + body[4 : 4 + struct.unpack_from(">i", body)[0]] if kind == zk.ZOO_CREATE_OP else STAT)

    with FakeZooKeeper(answer, context=context) as server:
        run(trusts, [server.url], ca_certs=authority.certificate)
        assert len(server.connects) == 1
        run(doubts, [server.url], ca_certs=stranger.certificate)
        assert len(server.connects) == 1


def test_a_server_that_breaks_the_protocol_is_left_and_tried_again_with_pauses():
    async def test(container, client):
        await until(container, lambda: len(server.connects) >= 3)
        await container.wait_with_timeout(0.5)
        assert len(server.connects) < 30

    with FakeZooKeeper(greeting=b"\0" * 3) as server:
        run(test, [server.url])


def test_a_client_needs_servers_and_a_sensible_chroot():
    def make(*arguments):
        async def main(container):
            ZooKeeperClient(container, *arguments)

        return run_scheduler(main)

    with pytest.raises(ValueError, match="serverlist"):
        make([])
    with pytest.raises(ZooKeeperIllegalPathException):
        make(["tcp://localhost/"], "/a/../b")


def test_after_a_shutdown_requests_fail_and_the_server_has_forgotten_the_session(ensemble, other):
    async def test(container, client):
        await ask(container, client, zk.create("/e", b"", ephemeral=True))
        base = client.chroot
        await client.shutdown()
        assert other.exists(base + "/e") is None
        with pytest.raises(ZooKeeperSessionUnavailable):
            await client.requests([zk.exists("/x")], container)

    run(test, ensemble.serverlist)
