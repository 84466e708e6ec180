"""Every flow text of Open vSwitch's manual pages is read from a switch, sent back, and is the same flow then."""

from __future__ import annotations

import pathlib
import shutil

import pytest
from support.ofswitch import dummy_switch, talk

from vlcp.protocol.openflow._decode import decode_fully
from vlcp.protocol.openflow.defs import openflow10, openflow13

pytestmark = pytest.mark.skipif(shutil.which("ovs-vswitchd") is None, reason="Open vSwitch is not installed")
FLOWS = pathlib.Path(__file__).parent / "data" / "ovs-flows.txt"
VERSIONS = {"10": openflow10, "13": openflow13}
NO_BUFFER, ALL_TABLES = 0xFFFFFFFF, 255


def texts(version: str) -> list[str]:
    """Return the flow texts that a version accepts, each with a priority of its own unless it names one."""
    found = []
    for line in FLOWS.read_text().splitlines():
        versions, _, text = line.partition(" ")
        if version in versions.split(","):
            found.append(text if "priority=" in text.partition("actions=")[0] else f"priority={1000 + len(found)},{text}")
    return found


@pytest.fixture(scope="module")
def switch():
    with dummy_switch() as running:
        yield running


def dump(switch, version: str) -> list[str]:
    """Return the flows as Open vSwitch writes them."""
    lines = switch.ofctl("--no-stats", "--no-names", "dump-flows", management(switch), version=f"OpenFlow{version}").splitlines()
    return sorted(line.strip() for line in lines if "actions=" in line)


def management(switch) -> str:
    return f"unix:{switch.directory}/br0.mgmt"


def prepare(switch, version: str) -> None:
    """Make a switch without flows that has what the flows refer to."""
    bridge, options = management(switch), {"version": f"OpenFlow{version}"}
    switch.ofctl("del-flows", bridge, **options)
    switch.ofctl("del-tlv-map", bridge, **options)
    switch.ofctl("add-tlv-map", bridge, "{class=0xffff,type=0,len=4}->tun_metadata0", **options)
    if version == "13":
        switch.ofctl("del-groups", bridge, **options)
        switch.ofctl("add-group", bridge, "group_id=1,type=all,bucket=output:2", **options)
        switch.ofctl("del-meters", bridge, **options)
        switch.ofctl("add-meter", bridge, "meter=1,kbps,bands=type=drop,rate=1000", **options)


def requests(of):
    """Return (request for all flows, deletion of all flows, what must precede changes)."""
    if of is openflow10:
        wild = of.ofp_match(wildcards=of.OFPFW_ALL)
        delete = of.ofp_flow_mod(
            match=wild, command=ALL_TABLES << 8 | of.OFPFC_DELETE, out_port=of.OFPP_NONE, buffer_id=NO_BUFFER
        )
        return of.nx_flow_stats_request(out_port=of.OFPP_NONE, table_id=ALL_TABLES), delete, [of.nx_flow_mod_table_id(set=1)]
    fields = {"table_id": ALL_TABLES, "out_port": of.OFPP_ANY, "out_group": of.OFPG_ANY, "match": of.ofp_match_oxm()}
    return of.ofp_flow_stats_request(**fields), of.ofp_flow_mod(command=of.OFPFC_DELETE, buffer_id=NO_BUFFER, **fields), []


def addition(of, entry):
    """Return the flow mod that adds a flow which was read."""
    shared = {name: getattr(entry, name) for name in ("cookie", "priority", "idle_timeout", "hard_timeout")}
    if of is openflow10:
        shared.update(command=entry.table_id << 8 | of.OFPFC_ADD, buffer_id=NO_BUFFER, out_port=of.OFPP_NONE)
        return of.nx_flow_mod(matches=entry.matches, actions=entry.actions, **shared)
    shared.update(table_id=entry.table_id, flags=entry.flags, buffer_id=NO_BUFFER, out_port=of.OFPP_ANY, out_group=of.OFPG_ANY)
    return of.ofp_flow_mod(match=entry.match, instructions=entry.instructions, **shared)


@pytest.mark.parametrize("version", VERSIONS)
def test_flows_of_the_manual_go_over_the_wire_and_back(switch, version, tmp_path):
    of, wanted = VERSIONS[version], texts(version)
    (tmp_path / "flows").write_text("\n".join(wanted) + "\n")
    request, delete, first = requests(of)

    async def copy(container, connection):
        protocol = connection.protocol
        # The switch drops all flows when it gets a controller.
        prepare(switch, version)
        switch.ofctl("add-flows", management(switch), str(tmp_path / "flows"), version=f"OpenFlow{version}")
        before = dump(switch, version)
        parts = await protocol.querymultipart(request, connection, container)
        for part in parts:
            assert decode_fully(part._tobytes())._tobytes() == part._tobytes()
        entries = [entry for part in parts for entry in part.stats]
        assert len(entries) == len(before) == len(wanted)
        await protocol.batch([*first, delete], connection, container)
        assert dump(switch, version) == []
        await protocol.batch([*first, *(addition(of, entry) for entry in entries)], connection, container)
        return before, dump(switch, version)

    before, after = talk(switch, copy, f"OpenFlow{version}")
    assert after == before
