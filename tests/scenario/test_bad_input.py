"""What callers do wrong: each wrong call gets its status and one line of text at once, and changes nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
import time

import pytest
from support.server import ServerProcess

VIPER = "/viperflow/"
SETS = ("physicalnetworkset", "physicalportset", "logicalnetworkset", "logcialportset", "subnetset")
MAPS = (
    "physicalnetworkmap.vlan",
    "physicalnetworkmap.native",
    "physicalnetworkmap.local",
    "logicnetworkmap.net",
    "subnetmap.sub",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServerProcess(tmp_path_factory.mktemp("server")) as server:
        call = server.api
        vlan = {"id": "vlan", "type": "vlan", "vlanrange": [[10, 11]]}
        call(
            "viperflow",
            "createphysicalnetworks",
            networks=[vlan, {"id": "native", "type": "native"}, {"id": "local", "type": "local"}],
        )
        call("viperflow", "createphysicalport", physicalnetwork="vlan", name="eth0")
        networks = [{"physicalnetwork": "vlan", "id": "net"}, {"physicalnetwork": "vlan", "id": "other"}]
        call("viperflow", "createlogicalnetworks", networks=networks)
        call("viperflow", "createlogicalnetwork", physicalnetwork="native", id="single")
        call("viperflow", "createsubnet", logicalnetwork="net", cidr="10.0.0.0/29", gateway="10.0.0.1", id="sub")
        full = [
            {"logicalnetwork": "net", "subnet": "sub", "id": f"p{n}", "mac_address": f"02:00:00:00:00:0{n}"} for n in range(5)
        ]
        call("viperflow", "createlogicalports", ports=full)
        yield server


def snapshot(server):
    """Return everything that viperflow has stored, with versions."""
    names = ("physicalnetworks", "physicalports", "logicalnetworks", "logicalports", "subnets")
    lists = {name: sorted(map(json.dumps, server.api("viperflow", "list" + name))) for name in names}
    keys = [f"viperflow.{name}" for name in SETS + MAPS]
    return lists, server.api("objectdb", "mgetonce", keys=keys)


def post(name, /, **params):
    return lambda server: server.post(VIPER + name, params)


def get(path, /, **params):
    return lambda server: server.get(path, **params)


def form(name, /, **params):
    return lambda server: server.form(VIPER + name, **params)


def send(method, path, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda server: server.request(method, path, body, named)


def json_body(body, path=VIPER + "createlogicalports"):
    return send("POST", path, body, Content_Type="application/json")


def ports(*items):
    return post("createlogicalports", ports=[{"logicalnetwork": "net", "id": "good"}, *items])


def port(**params):
    return {"logicalnetwork": "net", "id": "new", **params}


def subnet(**params):
    return post("createsubnet", **{"logicalnetwork": "net", "cidr": "10.5.0.0/24", "id": "new", **params})


def physical(**params):
    return post("createphysicalnetwork", id="new", **params)


def logical(**params):
    return post("createlogicalnetwork", **{"physicalnetwork": "vlan", "id": "new", **params})


DEEP = "[" * 100000 + "]" * 100000
WRONG = {
    # wrong kinds of values
    "network id not a string": (ports(port(logicalnetwork=5)), 400, "ports[1].logicalnetwork: expected a string, got 5"),
    "mac address": (ports(port(), port(id="x", mac_address="xx")), 400, "ports[2].mac_address: expected a MAC address, got 'xx'"),
    "mac address too short": (ports(port(mac_address="aabbcc")), 400, "ports[1].mac_address: expected a MAC address"),
    "ip address": (ports(port(ip_address="1.2.3.400")), 400, "ports[1].ip_address: expected an IPv4 address"),
    "ip address null": (ports(port(ip_address=None)), 400, "ports[1].ip_address: expected an IPv4 address, got None"),
    "hostname": (ports(port(hostname=3)), 400, "ports[1].hostname: expected a string, got 3"),
    "port not a dictionary": (ports(3), 400, "ports[1]: expected"),
    "ports a text": (post("createlogicalports", ports="abc"), 400, "ports[0]: expected"),
    "no network in a port": (ports({"id": "x"}), 400, "ports[1].logicalnetwork: this key is missing"),
    "dhcp option": (ports(port(extra_dhcp_options=[[300, "x"]])), 400, "ports[1].extra_dhcp_options[0][0]: expected the number"),
    "id empty": (post("deletelogicalport", id=""), 400, "id: expected a name that is not empty"),
    "id with a control character": (ports(port(id="a\nb")), 400, "ports[1].id: expected a name without control characters"),
    "id too long": (ports(port(id="x" * 300)), 400, "ports[1].id: expected a name of at most 255 characters"),
    "attribute that hides a method": (ports(port(getkey=1)), 400, "an attribute cannot be named 'getkey'"),
    "attribute of the storage": (ports(port(kvdb_createtime=1)), 400, "ports[1].kvdb_createtime"),
    "private attribute": (ports(port(_deleted=True)), 400, "ports[1]._deleted"),
    "storage tag in an attribute": (
        form("createlogicalport", logicalnetwork="net", id="new", note="`{'<vlcpjsonencode/os.system>': 'x'}`"),
        400,
        "note: expected keys that are strings",
    ),
    "set literal": (
        form("createlogicalport", logicalnetwork="net", id="new", note="`{1, 2}`"),
        400,
        "note: expected a value that JSON",
    ),
    "bytes literal": (
        form("createlogicalport", logicalnetwork="net", id="new", note="`b'x'`"),
        400,
        "note: expected a value that JSON",
    ),
    "infinite number": (
        form("createlogicalport", logicalnetwork="net", id="new", note="`1e999`"),
        400,
        "note: expected a finite number",
    ),
    "huge number": (
        form("createlogicalport", logicalnetwork="net", id="new", note=f"`{1 << 80}`"),
        400,
        "note: expected an integer of",
    ),
    "ranges not pairs": (physical(type="vlan", vlanrange=[[1, 2, 3]]), 400, "vlanrange[0]: expected a pair, got [1, 2, 3]"),
    "range of texts": (physical(type="vlan", vlanrange=[[1, "x"]]), 400, "vlanrange[0][1]: expected an integer, got 'x'"),
    "vni not a number": (logical(vni="x"), 400, "vni: expected an integer, got 'x'"),
    "mtu true": (logical(mtu=True), 400, "mtu: expected an integer, got True"),
    "lease time": (logical(lease_time="soon"), 400, "lease_time: expected a lease time"),
    "name server": (logical(dns_nameservers=["1.1.1.1", "x"]), 400, "dns_nameservers[1]: expected an IPv4 address, got 'x'"),
    "cidr without prefix": (subnet(cidr="10.0.0.0"), 400, "cidr: expected an IPv4 network"),
    "isexternal a text": (subnet(isexternal="yes"), 400, "isexternal: expected True or False, got 'yes'"),
    "route": (subnet(host_routes=[["10.0.0.0/8", "x"]]), 400, "host_routes[0][1]: expected an IPv4 address, got 'x'"),
    "host configuration": (subnet(pre_host_config=[{"cidr": "x"}]), 400, "pre_host_config[0].cidr: expected an IPv4 network"),
    "list id a list": (get(VIPER + "listlogicalports", id="`[1]`"), 400, "id: expected a string"),
    # parameters
    "missing parameter": (post("createlogicalport", id="x"), 400, "parameter 'logicalnetwork' is missing"),
    "unexpected parameter": (post("createlogicalports", ports=[], x=1), 400, "unexpected parameter 'x'"),
    "parameters of a POST in the URL": (send("POST", VIPER + "deletelogicalport?id=p0"), 400, "parameter 'id' is missing"),
    # rules of physical networks and ports
    "unknown network type": (physical(type="none"), 400, "network type 'none' is not supported"),
    "no range": (physical(type="vlan"), 400, "vlanrange"),
    "tag out of range": (physical(type="vlan", vlanrange=[[1, 4096]]), 400, "VLAN tag 4096 is out of range: 1 .. 4095"),
    "range descends": (physical(type="vlan", vlanrange=[[5, 2]]), 400, "out of order: 5, 2"),
    "ranges overlap": (physical(type="vlan", vlanrange=[[1, 5], [5, 6]]), 400, "overlap or are out of order: 5, 5"),
    "physical network exists": (
        post("createphysicalnetwork", id="vlan", type="local"),
        409,
        "viperflow.physicalnetwork.vlan already exists",
    ),
    "type changed": (post("updatephysicalnetwork", id="vlan", type="local"), 400, "type cannot be changed"),
    "range without a used tag": (post("updatephysicalnetwork", id="vlan", vlanrange=[[11, 12]]), 400, "VLAN tag 10 is allocated"),
    "update of no physical network": (post("updatephysicalnetwork", id="none", x=1), 400, "viperflow.physicalnetwork.none"),
    "physical network in use": (post("deletephysicalnetwork", id="vlan"), 400, "delete them first"),
    "no such physical network": (post("createphysicalport", physicalnetwork="none", name="e"), 400, "'none' does not exist"),
    "port in a local network": (post("createphysicalport", physicalnetwork="local", name="e"), 400, "local network"),
    "physical port exists": (post("createphysicalport", physicalnetwork="native", name="eth0"), 409, "already exists"),
    "physical port moved": (
        post("updatephysicalport", name="eth0", physicalnetwork="native"),
        400,
        "physicalnetwork cannot be changed",
    ),
    "no such physical port": (post("deletephysicalport", name="eth0", bridge="br"), 400, "viperflow.physicalport..%.br.eth0"),
    # rules of logical networks
    "range exhausted": (logical(), 400, "no VLAN tag is available in physical network 'vlan'"),
    "tag used": (logical(vlanid=10), 400, "VLAN tag 10 is allocated or not in range"),
    "tag not a number": (logical(vlanid="x"), 400, "vlanid: expected an integer, got 'x'"),
    "second network in a native one": (logical(physicalnetwork="native"), 400, "only one logical network"),
    "logical network moved": (post("updatelogicalnetwork", id="net", physicalnetwork="native"), 400, "cannot be changed"),
    "logical network in use": (post("deletelogicalnetwork", id="net"), 400, "delete them first"),
    "logical network twice": (
        post("deletelogicalnetworks", networks=[{"id": "other"}] * 2),
        400,
        "logical network 'other' is given twice",
    ),
    # rules of subnets
    "subnet of no network": (subnet(logicalnetwork="none"), 400, "logical network 'none' does not exist"),
    "gateway outside": (subnet(gateway="10.6.0.1"), 400, "gateway 10.6.0.1 is not in the CIDR 10.5.0.0/24"),
    "pool empty": (subnet(allocated_start="10.5.0.9", allocated_end="10.5.0.8"), 400, "pool is empty"),
    "subnet exists": (subnet(id="sub"), 409, "viperflow.subnet.sub already exists"),
    "router set by hand": (post("updatesubnet", id="sub", router="r"), 400, "use the virtual router calls"),
    "gateway onto a port": (
        post("updatesubnet", id="sub", gateway="10.0.0.2"),
        400,
        "gateway 10.0.0.2 is the IP address of a port",
    ),
    "subnet too small for its ports": (
        post("updatesubnet", id="sub", allocated_end="10.0.0.3"),
        400,
        "10.0.0.4 is used by a port",
    ),
    "external changed": (post("updatesubnet", id="sub", isexternal=True), 400, "isexternal cannot be changed"),
    "subnet in use": (post("deletesubnet", id="sub"), 400, "addresses are still used"),
    # rules of logical ports
    "unknown network": (ports(port(logicalnetwork="none")), 400, "logical network 'none' does not exist"),
    "unknown subnet": (ports(port(subnet="none")), 400, "subnet 'none' does not exist"),
    "subnet of another network": (
        ports(port(logicalnetwork="other", subnet="sub")),
        400,
        "subnet 'sub' is not in logical network 'other'",
    ),
    "subnet full": (ports(port(subnet="sub")), 400, "no IP address is available in subnet 'sub'"),
    "address of the gateway": (ports(port(subnet="sub", ip_address="10.0.0.1")), 400, "10.0.0.1 is not usable in subnet 'sub'"),
    "address used": (ports(port(subnet="sub", ip_address="10.0.0.2")), 400, "10.0.0.2 is already used in subnet 'sub'"),
    "id twice": (ports(port(id="good")), 400, "logical port 'good' is given twice"),
    "port exists": (ports(port(id="p0")), 409, "viperflow.logicalport.p0 already exists"),
    "mac address used": (ports(port(mac_address="02:00:00:00:00:03")), 409, "viperflow.logicalport.p3"),
    "mac address twice": (
        ports(port(mac_address="02:00:00:00:01:01"), port(id="new2", mac_address="02:00:00:00:01:01")),
        409,
        "viperflow.logicalport.new",
    ),
    "address used by update": (post("updatelogicalport", id="p0", ip_address="10.0.0.3"), 400, "10.0.0.3 is already used"),
    "port moved": (post("updatelogicalport", id="p0", subnet="sub"), 400, "subnet cannot be changed"),
    "no such port in a batch": (
        post("deletelogicalports", ports=[{"id": "p0"}, {"id": "none"}]),
        400,
        "logical port 'none' does not exist",
    ),
    # requests
    "malformed JSON": (json_body(b'{"ports": ['), 400, ""),
    "JSON of another kind": (json_body(b"[1]"), 400, ""),
    "JSON nested too deep": (json_body(b'{"ports": ' + DEEP.encode() + b"}"), 400, ""),
    "body not UTF-8": (json_body(b'{"ports": "\xff\xfe"}'), 400, ""),
    "a tagged object of an unknown class": (json_body(b'{"ports": {"<vlcpjsonencode/os.system>": "x"}}'), 400, ""),
    "unclosed back-quote": (form("createphysicalnetwork", type="vlan", id="new", vlanrange="`[[1,2]]"), 400, "vlanrange"),
    "back-quotes around no literal": (
        form("createphysicalnetwork", type="vlan", id="new", vlanrange="`open('x')`"),
        400,
        "vlanrange",
    ),
    "deep literal": (
        form("createphysicalnetwork", type="vlan", id="new", vlanrange="`" + "[" * 2000 + "]" * 2000 + "`"),
        400,
        "vlanrange",
    ),
    "no parameters": (send("POST", VIPER + "createlogicalports"), 400, "parameter 'ports' is missing"),
    "unknown module": (get("/nosuchmodule/list"), 404, "nosuchmodule"),
    "unknown method": (get(VIPER + "nosuchmethod"), 404, "nosuchmethod"),
    "method in capitals": (get(VIPER + "ListSubnets"), 404, "ListSubnets"),
    "private method": (get(VIPER + "load"), 404, "load"),
    "public API that nobody has": (get("/public/nosuchapi"), 404, "nosuchapi"),
    "PUT": (send("PUT", VIPER + "listsubnets"), 404, ""),
    "no module": (get("/"), 404, ""),
    "foreign Host": (send("GET", VIPER + "listsubnets", Host="evil.example"), 403, ""),
    "foreign Origin": (
        send(
            "POST",
            VIPER + "deletelogicalport",
            b"id=p0",
            Origin="http://evil.example",
            Content_Type="application/x-www-form-urlencoded",
        ),
        403,
        "",
    ),
    "foreign Origin and text": (
        send("POST", VIPER + "deletelogicalport", b'{"id": "p0"}', Origin="null", Content_Type="text/plain"),
        403,
        "",
    ),
}


def test_the_table_is_long_enough():
    assert len(WRONG) >= 60


@pytest.mark.parametrize("name", list(WRONG))
def test_a_wrong_call_is_answered_with_its_status_and_one_line(server, name):
    request, status, message = WRONG[name]
    before = snapshot(server)
    begin = time.monotonic()
    answer = request(server)
    elapsed = time.monotonic() - begin
    assert (answer.status, message in answer.error) == (status, True), f"{answer.status} {answer.error[:500]}"
    assert answer.error and len(answer.error) < 1000
    if answer.headers["Content-Type"].startswith("application/json"):
        assert "\n" not in answer.error and "Traceback" not in answer.error
    assert elapsed < 1
    assert snapshot(server) == before


def test_a_body_of_17_megabytes_is_refused(server):
    head = f"POST /viperflow/createlogicalports HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: application/json\r\n"
    size = 17 << 20
    answer, seconds = server.exchange(head.encode() + b"Content-Length: %d\r\n\r\n" % size + b" " * (1 << 20))
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert seconds < 1
    answer, _ = server.exchange(
        head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + (b"100000\r\n" + b" " * (1 << 20) + b"\r\n") * 17
    )
    assert answer.startswith(b"HTTP/1.1 413 ") or answer == b"", answer[:200]
    assert server.get("/viperflow/listsubnets").status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x00" * 4096,
        b"GET / HTTP/1.1\r\n" + b"A" * 2_000_000,
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /viperflow/listsubnets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"GET /viperflow/listsubnets HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_bytes_that_are_no_request_do_no_harm(server, data):
    answer, _ = server.exchange(data, timeout_s=5)
    assert answer == b"" or answer.split()[1][:1] == b"4", answer[:200]
    assert server.get("/viperflow/listsubnets").status == 200


def test_wrong_calls_leave_no_trace_in_the_log(server):
    assert "Traceback" not in server.log


@pytest.fixture
def locked(tmp_path):
    """A server whose database another program has locked; yields it and a function that unlocks the database."""
    with ServerProcess(tmp_path) as server:
        server.api("viperflow", "createphysicalnetwork", type="native", id="before")
        locker = sqlite3.connect(server.database, isolation_level=None, check_same_thread=False)
        locker.execute("BEGIN EXCLUSIVE")
        yield server, lambda: locker.execute("ROLLBACK")
        locker.close()


def test_calls_while_the_database_is_locked_are_answered_and_never_carried_out(locked):
    server, unlock = locked
    answers = {}

    def call(number):
        begin = time.monotonic()
        answer = server.post("/viperflow/createphysicalnetwork", {"type": "native", "id": f"during-{number}"})
        answers[number] = (answer.status, answer.error, time.monotonic() - begin)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unlock()
    assert {status for status, _, _ in answers.values()} == {503}, answers
    assert max(elapsed for _, _, elapsed in answers.values()) < 5
    assert all("\n" not in error for _, error, _ in answers.values())
    deadline = time.monotonic() + 10
    while server.post("/viperflow/createphysicalnetwork", {"type": "native", "id": "after"}).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert sorted(one["id"] for one in server.api("viperflow", "listphysicalnetworks")) == ["after", "before"]
    assert "Traceback" not in server.log
