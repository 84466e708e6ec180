"""The Redis client on a real server: commands, pipelines, transactions, scripts, blocking commands, subscriptions, TLS."""

from __future__ import annotations

import socket
import time

import pytest
from support.interpreter import memory_below
from support.poller import run_scheduler
from support.redisserver import RedisServer, flush
from support.redisstores import command
from support.tcpproxy import TcpProxy
from support.tls import Authority

from vlcp.event.event import M_
from vlcp.protocol import redis as protocol_module
from vlcp.protocol.redis import Redis, RedisProtocolException, RedisReplyException, RedisTimeoutException
from vlcp.utils.redisclient import RedisClient, RedisConnectionDown, RedisConnectionRestarted, split_credentials

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(running):
    flush(running)
    return running


@pytest.fixture
def proxy(server):
    with TcpProxy("127.0.0.1", server.port) as one:
        yield one


@pytest.fixture(params=["hiredis", "own"], autouse=True)
def parser(request, monkeypatch):
    if request.param == "own":
        monkeypatch.setattr(protocol_module, "hiredis", None)


def run(test, url, *arguments, timeout=20, **settings):
    """Run ``test(container, client)`` and shut the client down."""

    async def main(container):
        client = RedisClient(url, *arguments, **settings)
        try:
            return await test(container, client)
        finally:
            await client.shutdown(container, True)
            await container.do_events()

    return run_scheduler(main, timeout)


def test_commands_and_pipelines_give_their_replies_in_order(server):
    async def test(container, client):
        assert await client.execute_command(container, "SET", "k", "v") == b"OK"
        commands = [("GET", "k"), ("LPUSH", "k", "x"), ("MGET", "k", "none"), ("INCR", "n")]
        replies = await client.batch_execute(container, *commands)
        assert (replies[0], replies[2], replies[3]) == (b"v", [b"v", None], 1)
        assert isinstance(replies[1], RedisReplyException)
        assert replies[1].kind == "WRONGTYPE"
        with pytest.raises(RedisReplyException, match="WRONGTYPE"):
            await client.batch_execute(container, *commands, raise_first_exception=True)
        assert await client.execute_command(container, "GET", "n") == b"2"
        assert await client.batch_execute(container) == []

    run(test, server.url)


def test_many_routines_share_a_connection_and_get_their_own_replies(server):
    async def test(container, client):
        async def ask(number):
            for turn in range(20):
                assert await client.execute_command(container, "ECHO", f"{number}-{turn}") == b"%d-%d" % (number, turn)

        await container.execute_all([ask(number) for number in range(50)])

    run(test, server.url)


def test_large_values_come_back(server):
    async def test(container, client):
        value = bytes(range(256)) * 20000
        await client.execute_command(container, "SET", "big", value)
        assert await client.batch_execute(container, ("GET", "big"), ("GET", "big")) == [value, value]

    run(test, server.url)


def test_a_transaction_on_an_exclusive_connection_sees_a_conflict(server):
    async def test(container, client):
        await client.execute_command(container, "SET", "k", "1")
        exclusive = await client.get_connection(container)
        async with exclusive.context(container):
            assert await exclusive.batch_execute(container, ("WATCH", "k"), ("GET", "k")) == [b"OK", b"1"]
            await client.execute_command(container, "SET", "k", "2")
            replies = await exclusive.batch_execute(container, ("MULTI",), ("SET", "k", "3"), ("EXEC",))
            assert replies == [b"OK", b"QUEUED", None]
        assert await client.execute_command(container, "GET", "k") == b"2"

    run(test, server.url)


def test_a_released_connection_is_used_again_and_is_as_good_as_new(server):
    async def test(container, client):
        for leave in (("WATCH", "k"), ("MULTI",), ("PING",)):
            exclusive = await client.get_connection(container)
            async with exclusive.context(container):
                await exclusive.execute_command(container, *leave)
            conn = client._pool._idle[-1]
            exclusive = await client.get_connection(container)
            assert exclusive._conn is conn
            await client.execute_command(container, "SET", "k", "x")
            assert await exclusive.batch_execute(container, ("MULTI",), ("GET", "k"), ("EXEC",)) == [b"OK", b"QUEUED", [b"x"]]
            await exclusive.release(container)
        assert len(client._pool._idle) == 1

    run(test, server.url)


def test_a_connection_with_other_settings_is_not_used_again(server):
    async def test(container, client):
        exclusive = await client.get_connection(container)
        with exclusive.context(container):
            await exclusive.execute_command(container, "SELECT", "3")
        await container.do_events()
        assert not client._pool._idle

    run(test, server.url)


def test_a_context_notices_that_its_session_was_lost(server, proxy):
    async def test(container, client):
        with client.context(container, release=False):
            await client.execute_command(container, "PING")
            proxy.cut()
            with pytest.raises(RedisConnectionDown):
                await client.execute_command(container, "PING")
                await client.execute_command(container, "PING")
            while not client._conn.redis_ready:
                await container.wait_with_timeout(0.01)
            with pytest.raises(RedisConnectionRestarted):
                await client.execute_command(container, "PING")
        assert await client.execute_command(container, "PING") == b"PONG"

    run(test, proxy.url)


def test_blocking_commands_do_not_block_others(server):
    async def test(container, client):
        async def take():
            return await client.execute_command(container, "BLPOP", "queue", "10")

        async def give():
            await container.wait_with_timeout(0.1)
            assert await client.execute_command(container, "PING") == b"PONG"
            await client.execute_command(container, "RPUSH", "queue", "x")

        (taken, _) = await container.execute_all([take(), give()])
        assert taken == [b"queue", b"x"]
        assert await client.execute_command(container, "BLPOP", "queue", "0.05") is None
        assert len(client._pool._idle) == 1

    run(test, server.url)


def test_a_blocking_command_that_was_given_up_takes_nothing(server):
    async def test(container, client):
        expired, _ = await container.execute_with_timeout(0.1, client.execute_command(container, "BLPOP", "queue", "0"))
        assert expired
        await container.wait_with_timeout(0.1)
        await client.execute_command(container, "RPUSH", "queue", "x")
        assert await client.execute_command(container, "LLEN", "queue") == 1

    run(test, server.url)


def test_scripts_are_cached_and_taught_again(server):
    async def test(container, client):
        script = await client.register_script(container, "return {KEYS[1], ARGV[1]}")
        assert script[1].startswith("return")
        assert await client.eval_registered(container, script, 1, "k", "a") == [b"k", b"a"]
        command(server, "SCRIPT", "FLUSH")
        assert await client.eval_registered(container, script, 1, "k", "b") == [b"k", b"b"]
        command(server, "SCRIPT", "FLUSH")
        await client.ensure_registered(container, script)
        await client.ensure_registerd(container, script)
        assert await client.batch_execute(container, ("EVALSHA", script[0], 1, "k", "c")) == [[b"k", b"c"]]
        with pytest.raises(RedisReplyException):
            await client.register_script(container, "this is no script")
        failing = await client.register_script(container, "return redis.error_reply('MINE x')")
        with pytest.raises(RedisReplyException, match="MINE x"):
            await client.eval_registered(container, failing, 0)

    run(test, server.url)


async def first_message(container, *matchers):
    expired, event, matcher = await container.wait_with_timeout(5, *matchers)
    assert not expired
    return event, matcher


def test_subscriptions_get_messages_of_their_channels_and_patterns(server):
    async def test(container, client):
        one, two = await client.subscribe(container, "one", "two")
        (pattern,) = await client.psubscribe(container, "t?o*")
        assert command(server, "PUBLISH", "two", b"\x00\xff") == 2
        (event, _) = await first_message(container, two)
        assert (event.type, event.subscribe, event.channel, event.message) == ("message", "two", "two", b"\x00\xff")
        command(server, "PUBLISH", "two more", "hello")
        (event, matcher) = await first_message(container, one, pattern)
        assert matcher is pattern
        while event.channel != "two more":
            (event, _) = await first_message(container, pattern)
        assert (event.type, event.subscribe, event.message) == ("pmessage", "t?o*", b"hello")
        await client.unsubscribe(container, "two")
        await client.punsubscribe(container, "t?o*")
        assert command(server, "PUBLISH", "two", "x") == 0
        assert command(server, "PUBLISH", "one", "x") == 1
        await client.execute_command(container, "UNSUBSCRIBE", "one")
        assert command(server, "PUBLISH", "one", "x") == 0

    run(test, server.url)


def test_a_channel_that_is_subscribed_while_it_is_being_left_is_heard(server):
    async def test(container, client):
        await client.subscribe(container, "c")
        await container.execute_all([client.unsubscribe(container, "c"), client.subscribe(container, "c")])
        assert command(server, "PUBLISH", "c", "x") == 1

    run(test, server.url)


def test_a_channel_stays_subscribed_until_the_last_user_has_left(server):
    async def test(container, client):
        await client.subscribe(container, "c")
        await client.execute_command(container, "SUBSCRIBE", "c")
        await client.unsubscribe(container, "c")
        assert command(server, "PUBLISH", "c", "x") == 1
        await client.unsubscribe(container, "c")
        assert command(server, "PUBLISH", "c", "x") == 0

    run(test, server.url)


@pytest.mark.parametrize("channels", [1, 2500])
def test_subscriptions_survive_a_restart_of_the_server(server, channels):
    async def test(container, client):
        names = ["channel%d" % number for number in range(channels)]
        matchers = await client.subscribe(container, *names)
        await client.psubscribe(container, "p*")
        down = client.subscribe_state_matcher(container, False)
        up = client.subscribe_state_matcher(container)
        server.stop()
        await first_message(container, down)
        server.start()
        await first_message(container, up)
        assert [command(server, "PUBLISH", name, "again") for name in (names[0], names[-1], "px")] == [1, 1, 1]
        (event, _) = await first_message(container, matchers[-1])
        assert event.message == b"again"

    run(test, server.url)


def test_a_refused_connection_is_reported_and_made_when_it_is_possible(server):
    async def test(container, client):
        client.timeout = 0.3
        server.stop()
        try:
            begin = time.monotonic()
            for call in (client.execute_command(container, "PING"), client.subscribe(container, "c")):
                with pytest.raises(RedisConnectionDown):
                    await call
            exclusive = await client.get_connection(container)
            with pytest.raises(RedisConnectionDown, match="failed"):
                await exclusive.execute_command(container, "PING")
            assert time.monotonic() - begin < 2
        finally:
            server.start()
        client.timeout = 3
        assert await client.execute_command(container, "PING") == b"PONG"
        await client.subscribe(container, "d")
        assert [command(server, "PUBLISH", name, "x") for name in "cd"] == [0, 1]

    run(test, server.url)


def test_a_reply_that_came_while_the_process_was_busy_counts_as_in_time(server):
    async def test(container, client):
        assert await client.execute_command(container, "PING") == b"PONG"

        async def busy():
            await container.wait_with_timeout(0)
            time.sleep(1.5)

        container.subroutine(busy())
        assert await client.execute_command(container, "PING", timeout=1) == b"PONG"

    run(test, server.url)


def test_a_silent_server_is_given_up_in_time_and_the_session_is_dropped(server, proxy):
    async def test(container, client):
        await client.execute_command(container, "PING")
        proxy.black_hole = True
        begin = time.monotonic()
        with pytest.raises(RedisConnectionDown):
            await client.execute_command(container, "SET", "k", "late", timeout=0.2)
        assert time.monotonic() - begin < 1
        with pytest.raises(RedisConnectionDown):
            await client.execute_command(container, "GET", "k", timeout=0.2)
        proxy.black_hole = False
        assert await client.execute_command(container, "PING", timeout=3) == b"PONG"

    run(test, proxy.url)


def test_an_idle_connection_is_probed_and_a_dead_one_is_dropped(server, proxy):
    async def test(container, client):
        await client.execute_command(container, "PING")
        await container.wait_with_timeout(0.5)
        assert client._conn.connmark == 0
        proxy.black_hole = True
        down = client._protocol.statematcher(client._conn)
        await first_message(container, down)
        proxy.black_hole = False
        assert await client.execute_command(container, "PING", timeout=3) == b"PONG"

    protocol = Redis()
    protocol.keepalivetime, protocol.keepalivetimeout = 0.1, 0.3
    run(test, proxy.url, None, protocol)


def test_a_database_is_selected_for_all_connections(server):
    async def test(container, client):
        await client.execute_command(container, "SET", "k", "five")
        exclusive = await client.get_connection(container)
        assert await exclusive.execute_command(container, "GET", "k") == b"five"
        await exclusive.release(container)

    run(test, server.url, 5)
    assert command(server, "GET", "k") is None


def test_user_and_password_are_sent_and_wrong_ones_are_reported(tmp_path):
    options = ("--requirepass", "se:cret", "--user", "bob", "on", ">p@ss", "~*", "&*", "+@all")
    with RedisServer(tmp_path, options) as server:

        async def ping(container, client):
            client.timeout = 0.5
            exclusive = await client.get_connection(container)
            await client.subscribe(container, "c")
            assert await exclusive.execute_command(container, "PING") == b"PONG"
            await exclusive.release(container)
            return await client.execute_command(container, "ACL", "WHOAMI")

        address = f"127.0.0.1:{server.port}/"
        assert run(ping, f"tcp://:se%3Acret@{address}") == b"default"
        assert run(ping, f"tcp://bob:p%40ss@{address}") == b"bob"
        assert run(ping, f"tcp://{address}", user="bob", password="p@ss") == b"bob"
        for url in (f"tcp://bob:wrong@{address}", f"tcp://:wrong@{address}"):
            with pytest.raises(RedisConnectionDown, match="refused: WRONGPASS"):
                run(ping, url)
        with pytest.raises(RedisReplyException, match="NOAUTH"):
            run(lambda container, client: client.execute_command(container, "GET", "k"), f"tcp://{address}")


def test_credentials_are_taken_out_of_the_url():
    assert split_credentials("tcp://u:p%40@h:1/") == ("tcp://h:1/", "u", "p@")
    assert split_credentials("ssl://:p@[::1]/x") == ("ssl://[::1]/x", None, "p")
    assert split_credentials("tcp://h/") == ("tcp://h/", None, None)
    client = RedisClient("tcp://u:secret@h:1/")
    assert "secret" not in client.url
    with pytest.raises(TypeError, match="colour"):
        RedisClient("tcp://h/", colour=1)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(directory, "authority"), Authority(directory, "stranger")
    identity, client = authority.issue("server"), authority.issue("client")
    server = RedisServer(directory / "data")
    files = ("--tls-cert-file", identity.certificate, "--tls-key-file", identity.key)
    server._options += ["--port", "0", "--tls-port", str(server.port), *files, "--tls-ca-cert-file", authority.certificate]
    with server:
        yield server, authority, stranger, client


def test_tls_is_verified_in_both_directions(secured):
    server, authority, stranger, identity = secured

    async def ping(container, client):
        client.timeout = 1
        assert await client.execute_command(container, "SET", "k", b"x" * 100000) == b"OK"
        return len(await client.execute_command(container, "GET", "k"))

    url = f"ssl://127.0.0.1:{server.port}/"
    files = {"key": identity.key, "certificate": identity.certificate}
    assert run(ping, url, ca_certs=authority.certificate, **files) == 100000
    for trust in (stranger.certificate, None):
        with pytest.raises(RedisConnectionDown):
            run(ping, url, ca_certs=trust, **files)
    with pytest.raises(RedisConnectionDown):
        run(ping, url, ca_certs=authority.certificate)


def test_the_protocol_alone_gives_matchers_and_events(server):
    from vlcp.event.connection import Client
    from vlcp.protocol.redis import RedisConnectionStateEvent

    async def main(container):
        protocol = Redis()
        connection = Client(server.url, protocol, container.scheduler)
        connection.start()
        await RedisConnectionStateEvent.createMatcher(RedisConnectionStateEvent.CONNECTION_UP, connection)
        matcher = await protocol.send_command(connection, container, "SET", "k", "1")
        assert (await matcher).result == b"OK"
        matchers = await protocol.send_batch(connection, container, ("GET", "k"), ("LPUSH", "k", "x"), ("PING",))
        seen = {}
        await container.wait_for_all(*matchers, eventdict=seen)
        assert [seen[one].iserror for one in matchers] == [False, True, False]
        assert (seen[matchers[0]].result, seen[matchers[2]].result) == (b"1", b"PONG")
        assert not protocol.has_pending_requests(connection)
        assert await protocol.execute_command(connection, container, "SUBSCRIBE", "a") == [b"subscribe", b"a", 1]
        replies = await protocol.execute_command(connection, container, "SUBSCRIBE", "b", "c")
        assert [reply[2] for reply in replies] == [2, 3]
        assert await protocol.execute_command(connection, container, "PING") == [b"pong", b""]
        replies = await protocol.execute_command(connection, container, "UNSUBSCRIBE")
        assert sorted(reply[1] for reply in replies) == [b"a", b"b", b"c"]
        down = protocol.statematcher(connection)
        pending = protocol.execute_command(connection, container, "BLPOP", "none", 0)
        await connection.shutdown(True)
        with pytest.raises(RedisProtocolException, match="down"):
            await pending
        await M_(down) if connection.connected else None
        with pytest.raises(RedisProtocolException, match="not sent"):
            await protocol.execute_command(connection, container, "PING")

    run_scheduler(main)


class Scripted:
    """A server that accepts connections and sends the same bytes to each, whatever it is asked."""

    def __init__(self, data, endless=b""):
        import threading

        self.accepted = 0
        self.ended = threading.Event()
        self._data, self._endless = data, endless
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = "tcp://127.0.0.1:%d/" % self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.accepted += 1
            with connection:
                try:
                    connection.recv(100)
                    connection.sendall(self._data)
                    while self._endless:
                        connection.sendall(self._endless)
                    connection.recv(100)
                except OSError:
                    pass
            self.ended.set()

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()


@pytest.mark.parametrize(
    ("data", "endless"),
    [
        (b"*4294967295\r\n", b":1\r\n" * 1000),
        (b"*1000\r\n", b"*1000\r\n" * 100),
        (b"*1\r\n" * 200, b""),
        (b"$-5\r\n", b""),
        (b"*-5\r\n", b""),
        (b"$4294967296\r\n", b"a" * 65536),
        (b"+", b"a" * 65536),
        (b"", b"+OK\r\n" * 100),
        (b"", b"-ERR x\r\n" * 100),
        (b"HTTP/1.1 400 Bad Request\r\n", b""),
    ],
)
def test_a_hostile_server_costs_one_closed_connection(data, endless):
    hostile = Scripted(data, endless)

    async def main(container):
        from vlcp.event.connection import Client
        from vlcp.protocol.redis import RedisConnectionStateEvent

        protocol = Redis()
        protocol.persist = False
        connection = Client(hostile.url, protocol, container.scheduler)
        connection.start()
        await RedisConnectionStateEvent.createMatcher(RedisConnectionStateEvent.CONNECTION_UP, connection)
        try:
            await protocol.execute_command(connection, container, "GET", "k", timeout=5)
        except RedisTimeoutException:
            raise
        except (RedisProtocolException, RedisReplyException):
            pass
        while connection.connected:
            await container.wait_with_timeout(0.01)

    try:
        with memory_below(20_000_000):
            run_scheduler(main)
    finally:
        hostile.close()
    assert hostile.ended.wait(3)
    assert hostile.accepted == 1


def test_shutdown_leaves_no_connection(server):
    async def test(container, client):
        await client.execute_command(container, "PING")
        await client.subscribe(container, "c")
        await (await client.get_connection(container)).release(container)
        held = await client.get_connection(container)
        await held.execute_command(container, "PING")
        assert int(command(server, "INFO", "clients").split(b"connected_clients:")[1].split()[0]) == 4
        await client.shutdown(container)
        assert await held.execute_command(container, "PING") == b"PONG"
        await held.release(container)
        await container.wait_with_timeout(0.1)
        assert int(command(server, "INFO", "clients").split(b"connected_clients:")[1].split()[0]) == 1
        with pytest.raises(RedisConnectionDown, match="shut down"):
            await client.execute_command(container, "PING")

    run(test, server.url)


def test_lost_connections_leave_nothing_behind(server, proxy):
    import gc

    from vlcp.event.connection import Client
    from vlcp.protocol._redis_session import Session

    def alive():
        gc.collect()
        return [sum(type(one) is kind for one in gc.get_objects()) for kind in (Client, Session)]

    async def test(container, client):
        async def use():
            for _ in range(3):
                exclusive = await client.get_connection(container)
                try:
                    await exclusive.execute_command(container, "PING", timeout=1)
                    await client.execute_command(container, "PING", timeout=1)
                    await client.subscribe(container, "c", timeout=1)
                except RedisConnectionDown:
                    continue
                finally:
                    await exclusive.release(container)

        async def lose(times):
            for _ in range(times):
                await use()
                proxy.cut()
                await container.wait_with_timeout(0.12)
                waiting.append(len(container.scheduler.queue))
            return alive()

        waiting = []
        early = await lose(5)
        late = await lose(10)
        assert late <= [one + 2 for one in early]
        assert max(waiting) < 10

    run(test, proxy.url)
