"""Whole controllers on one Redis: they share their networks, and a database that goes away is an error and not a loss."""

from __future__ import annotations

import time

import pytest
from support.redisserver import RedisServer
from support.redisstores import command
from support.server import ApiFailure, ServerProcess

pytestmark = pytest.mark.redis

CONFIG = {
    "proxy.kvstorage": "vlcp.service.connection.redisdb.RedisDB",
    "proxy.updatenotifier": "vlcp.service.kvdb.redisnotifier.RedisNotifier",
}


@pytest.fixture
def redis(tmp_path):
    with RedisServer(tmp_path / "redis") as server:
        yield server


@pytest.fixture
def controllers(tmp_path, redis):
    running = []
    for name in "ab":
        (tmp_path / name).mkdir()
        running.append(ServerProcess(tmp_path / name, config={**CONFIG, "module.redisdb.url": redis.url}))
    for server in running:
        server.start()
    yield running
    for server in running:
        server.stop()


def listed(controller):
    return sorted(network["id"] for network in controller.api("viperflow", "listlogicalnetworks"))


def until(test, seconds):
    end = time.monotonic() + seconds
    while True:
        try:
            result = test()
        except ApiFailure as failure:
            result = None
            assert failure.answer.status == 503
        if result:
            return
        assert time.monotonic() < end
        time.sleep(0.05)


def failure_of(controller, name, **params):
    begin = time.monotonic()
    with pytest.raises(ApiFailure) as caught:
        controller.api("viperflow", name, **params)
    assert time.monotonic() - begin < 5
    assert caught.value.answer.status == 503
    assert "redis" in caught.value.answer.error


@pytest.mark.parametrize("fault", ["stop", "kill", "pause"])
def test_a_database_that_goes_away_and_comes_back_needs_nobodys_help(redis, controllers, fault):
    one, other = controllers
    one.api("viperflow", "createphysicalnetwork", type="local", id="phys")
    one.api("viperflow", "createlogicalnetwork", physicalnetwork="phys", id="first")
    assert listed(other) == ["first"]

    getattr(redis, fault)()
    for controller in controllers:
        failure_of(controller, "createlogicalnetwork", physicalnetwork="phys", id="lost")
    redis.resume() if fault == "pause" else redis.start()

    until(lambda: one.api("viperflow", "createlogicalnetwork", physicalnetwork="phys", id="second"), 10)
    until(lambda: listed(other) == ["first", "second"], 10)
    assert listed(one) == ["first", "second"]


def test_removal_leaves_no_object(redis, controllers):
    one, other = controllers
    one.api("viperflow", "createphysicalnetwork", type="local", id="phys")
    before = data_keys(redis)
    one.api("viperflow", "createlogicalnetwork", physicalnetwork="phys", id="n")
    other.api("viperflow", "createsubnet", logicalnetwork="n", id="s", cidr="10.0.0.0/24")
    one.api("viperflow", "createlogicalport", logicalnetwork="n", subnet="s", id="p", mac_address="02:00:00:00:00:01")
    assert len(data_keys(redis)) > len(before)
    other.api("viperflow", "deletelogicalport", id="p")
    one.api("viperflow", "deletesubnet", id="s")
    other.api("viperflow", "deletelogicalnetwork", id="n")
    assert data_keys(redis) == before


def data_keys(redis):
    """Return the keys of objects. Emptied index sets stay, as the form that is shared with VLCP 2 wants it."""
    return {key for key in command(redis, "KEYS", "*") if not key.startswith((b"vlcp._reserved.", b"indicesset."))}
