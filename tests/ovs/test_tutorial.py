"""The tutorial's commands, executed from its text on three hypervisors with each store."""

from __future__ import annotations

import pathlib
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.networks import settle
from support.servershell import ServerShell
from support.storedkeys import stored_keys, wait_until_left

from vlcp.config import Manager
from vlcp.lab._shell import run

pytestmark = pytest.mark.ovs

ROOT = pathlib.Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "tutorial.md").read_text()
BLOCKS = re.findall(r"^```sh (\w+)\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", TEXT, re.MULTILINE | re.DOTALL)
FIRST_AFTER_BRIDGES = 1
LAST = "ovs-vsctl del-br"
PLACES = (
    "module.jsonrpcserver.url",
    "module.httpserver.",
    "module.openflowserver.",
    "module.zookeeperdb.",
    "proxy.",
    "server.log",
)
"""Keys that say where things are, which is different in a laboratory."""


def shipped_configuration():
    """Return what the example configuration says about behaviour."""
    example = Manager()
    example.loadfrom(str(ROOT / "example" / "config" / "genericl3.conf"))
    return {key: value for key, value in example.config_items() if not key.startswith(PLACES)}


def add_bonds(lab):
    """Give each hypervisor an interface ``bond0``, all cabled to one switch that passes VLAN tags."""
    underlay = lab.plan.namespace("net")
    run(["ip", "-n", underlay, "link", "add", "trunks", "type", "bridge"])
    run(["ip", "-n", underlay, "link", "set", "trunks", "up"])
    for name, host in lab.hosts.items():
        cable = ["ip", "link", "add", "name", "bond0", "netns", host.namespace, "type", "veth"]
        run([*cable, "peer", "name", f"b-{name}", "netns", underlay])
        run(["ip", "-n", host.namespace, "link", "set", "bond0", "up"])
        run(["ip", "-n", underlay, "link", "set", "dev", f"b-{name}", "master", "trunks", "up"])


def tables(lab):
    """Return flows and groups of the tutorial's bridge on each hypervisor."""
    return [(host.dump_flows("testbr0"), host.dump_groups("testbr0")) for host in lab.hosts.values()]


def wait_for_tables(lab, expected, within_s):
    """Return when the switches hold what they should; the difference is the error."""
    deadline = time.monotonic() + within_s
    while tables(lab) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    assert tables(lab) == expected


def execute(kind, block, printed, shells):
    """Run a block where its kind says: on every server in turn, on all at the same time, or once, on the first.

    What ``fails`` must soon fail, and go on to. A station that has asked in vain waits for some seconds before it asks again;
    its memory is cleared instead.
    """
    if kind == "fails":
        deadline = time.monotonic() + 5
        while passes(block, shells[0]):
            assert time.monotonic() < deadline, block
        assert not passes(block, shells[0])
        shells[0].run("ip netns exec vlcp_ns1 ip neighbour flush all")
        return
    chosen = shells[:1] if kind == "once" else shells
    with ThreadPoolExecutor(len(chosen) if kind == "all" else 1) as pool:
        for output in pool.map(lambda shell: shell.run(block), chosen):
            if printed:
                assert re.sub(r" +[\d.]+ ms", "", output).strip().endswith(printed.strip()), output


def passes(block, shell):
    """Tell whether a ping is answered."""
    try:
        shell.run(block)
    except RuntimeError as error:
        if "0 received" not in str(error):
            raise
        return False
    return True


@pytest.mark.parametrize("database", ["sqlite", "redis", "zookeeper"])
@pytest.mark.timeout(300)
def test_the_tutorial_does_what_it_says(make_lab, database):
    lab = make_lab(hosts=3, network="vxlan", database=database, zookeeper_nodes=3, config=shipped_configuration())
    add_bonds(lab)
    shells = []
    for number, host in enumerate(lab.hosts.values(), 1):
        host.vsctl("del-br", "br0")
        shells.append(ServerShell(host, {"SERVER_ID": str(number), "UNDERLAY_IP": lab.plan.tunnel_address(host.name)}))
    try:
        kept = stored_keys(lab)
        assert sorted(key for key, left_s in kept.items() if left_s is None) == sorted(
            lab.hosts["hv1"].controller.api("kvstorage", "listallkeys")
        )
        for number, (kind, block, printed) in enumerate(BLOCKS):
            if number == FIRST_AFTER_BRIDGES:
                settle(lab)
                before = tables(lab)
            if LAST in block:
                wait_until_left(lab, kept, within_s=5)
                wait_for_tables(lab, before, within_s=5)
            execute(kind, block, printed, shells)
    finally:
        for shell in shells:
            shell.close()
    assert sum(kind in ("every", "all") for kind, _, _ in BLOCKS) >= 9
    assert sum(kind == "fails" for kind, _, _ in BLOCKS) == 2
    assert sum(bool(printed) for _, _, printed in BLOCKS) == 1
