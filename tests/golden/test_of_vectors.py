"""Golden bytes of every OpenFlow 1.0, 1.3 and Nicira structure, and what Open vSwitch and os-ken read in them.

``data/<version>-vectors.tsv`` has for each message of ``support.ofvectors*`` its name, its bytes, and what ``ovs-ofctl
ofp-print`` of Open vSwitch 3.1 says, of what it refuses the error; ``support/ofprint.py`` writes it. ``UNKNOWN_TO_OVS``
says why it refuses some.
"""

from __future__ import annotations

import csv
import pathlib
import re
import shutil
import subprocess

import pytest
from namedstruct.namedstruct import NamedStruct, dump, nstruct
from support import ofvectors10, ofvectors13
from support.interpreter import os_ken
from support.ofprint import ofp_print

from vlcp.protocol._wire.ofstream import HEADER, Frame
from vlcp.protocol.openflow._decode import decode, decode_fully
from vlcp.utils import ethernet

DATA = pathlib.Path(__file__).parent / "data"
VERSIONS = {"openflow10": ofvectors10, "openflow13": ofvectors13}
MESSAGES = {version: module.messages() for version, module in VERSIONS.items()}
#: Structs that other structs have within them, which leaves no object of their own.
EMBEDDED = {
    "openflow10": {
        "ofp_header",
        "ofp_match",
        "ofp_packet_out_actions",
        "ofp_queue_prop_header",
        "ofp_desc_stats",
        "_nxm_mask_value",
        "nx_matches",
    },
    "openflow13": {
        *("ofp_header", "_ofp_oxm_mask_value", "ofp_packet_out_actions", "ofp_desc", "ofp_group_features", "ofp_meter_features"),
        *("ofp_experimenter_multipart_header", "ofp_queue_prop_header", "nx_matches"),
    },
}
#: How names of messages begin -> why Open vSwitch cannot read it.
UNKNOWN_TO_OVS = {
    "openflow10": {
        "vendor": "no such vendor",
        "action write_metadata": "an action of a flow, not of a packet-out",
        "action encap": "since OpenFlow 1.3",
        "action decap": "since OpenFlow 1.3",
        "action dec_nsh_ttl": "since OpenFlow 1.3",
        "action bundle others": "no member type but ports",
        "nx async_config2 experimenter": "no such property",
        "nx error": "since OpenFlow 1.2",
    },
    "openflow13": {
        "experimenter": "no such experimenter",
        "error experimenter": "no such experimenter",
        "match experimenter": "no such experimenter",
        "instruction experimenter": "no such experimenter",
        "action experimenter": "no such experimenter",
        "meter experimenter": "no such experimenter",
        "table features experimenter": "no such experimenter",
        "nx async_config2 experimenter": "no such property",
        "match extension headers": "a field that it does not have",
        "match masked extension headers": "a field that it does not have",
        "nx action write_metadata": "an instruction of OpenFlow 1.3",
        "nx action bundle others": "no member type but ports",
        "nx action set_queue": "an action of OpenFlow 1.3",
        "nx action push_mpls": "an action of OpenFlow 1.3",
        "nx action pop_mpls": "an action of OpenFlow 1.3",
        "nx action set_mpls": "an action of OpenFlow 1.3",
        "nx vendor_error": "OpenFlow 1.0 only",
        "nx set_flow_format": "OpenFlow 1.0 only",
        "nx flow_monitor": "OpenFlow 1.0 only",
        "nx flow_stats": "OpenFlow 1.0 only",
        "nx aggregate": "OpenFlow 1.0 only",
    },
}


def golden(version: str) -> dict[str, tuple[bytes, str]]:
    """Return name -> (bytes, text of Open vSwitch)."""
    with open(DATA / f"{version}-vectors.tsv", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {name: (bytes.fromhex(data), text.replace("\\n", "\n")) for name, data, text in rows}


GOLDEN = {version: golden(version) for version in VERSIONS}
NAMES = [(version, name) for version in VERSIONS for name in MESSAGES[version]]


#: Structs that tell their type when they are made, and no longer when they are read.
UNTYPED = ("<ofp_match>", "<ofp_phy_port>")


def fields(value):
    """Return the fields of a message as dictionaries and lists."""
    if isinstance(value, NamedStruct):
        value = dump(value)
    if isinstance(value, list):
        return [fields(entry) for entry in value]
    if isinstance(value, dict):
        return {name: fields(entry) for name, entry in value.items() if name != "_type" or entry not in UNTYPED}
    return value


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_has_every_message(version):
    assert list(GOLDEN[version]) == list(MESSAGES[version])


@pytest.mark.parametrize(("version", "name"), NAMES)
def test_fields_become_the_golden_bytes_and_these_the_same_fields_and_bytes(version, name):
    data, message = GOLDEN[version][name][0], MESSAGES[version][name]
    assert message._tobytes() == data
    parsed = decode_fully(data)
    assert fields(parsed) == fields(message)
    assert parsed._tobytes() == data
    quick = decode(Frame(*HEADER.unpack_from(data), data))
    assert (fields(quick), quick._tobytes()) == (fields(message), data)


def types_in(value, found: set) -> set:
    """Collect the types of all structs within a value, and the types they are based on."""
    if isinstance(value, (list, tuple)):
        for entry in value:
            types_in(entry, found)
    elif isinstance(value, NamedStruct):
        kind = value._gettype()
        while kind is not None:
            found.add(id(kind))
            kind = getattr(kind, "base", None)
        for name, entry in value.__dict__.items():
            if name[0] != "_":
                types_in(entry, found)
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_structure_is_in_some_message(version):
    seen = types_in([decode_fully(data) for data, _text in GOLDEN[version].values()], set())
    packets = {id(value) for value in vars(ethernet).values()}
    known = {name: kind for name, kind in vars(VERSIONS[version].of).items() if isinstance(kind, nstruct)}
    missing = {name for name, kind in known.items() if id(kind) not in seen | packets}
    assert missing == EMBEDDED[version]


@pytest.mark.skipif(shutil.which("ovs-ofctl") is None, reason="Open vSwitch is not installed")
@pytest.mark.parametrize("version", VERSIONS)
def test_open_vswitch_reads_what_we_mean(version):
    release = re.search(r"(\d+\.\d+)\.", subprocess.run(["ovs-ofctl", "-V"], capture_output=True, text=True).stdout).group(1)
    wrong, refused = [], set()
    for name, (data, text) in GOLDEN[version].items():
        said = ofp_print(data)
        if "***" in said:
            refused.update(part for part in UNKNOWN_TO_OVS[version] if name.startswith(part))
        if ("***" in said) != name.startswith(tuple(UNKNOWN_TO_OVS[version])) or (release == "3.1" and said != text):
            wrong.append((name, said, text))
    assert wrong == []
    assert refused == set(UNKNOWN_TO_OVS[version])


class Datapath:
    """What os-ken's messages need of a switch."""

    id = 1

    def __init__(self, version: str) -> None:
        name = "ofproto_v1_0" if version == "openflow10" else "ofproto_v1_3"
        self.ofproto = os_ken(name)
        self.ofproto_parser = os_ken(f"{name}_parser")


OS_KEN = {
    "openflow10": "features reply|config reply|packet in|flow removed|port status|queue config reply|desc reply|flow stats reply|"
    "aggregate reply|table stats reply|port stats reply|queue stats reply|error|BARRIER_REPLY|echo|hello",
    "openflow13": "features reply|config reply|packet in|flow removed|port status|queue config reply|desc reply|flow stats reply|"
    "aggregate reply|table stats reply|table features reply|port stats reply|queue stats reply|port desc reply|group stats reply|"
    "group desc reply|group features reply|meter stats reply|meter config reply|meter features reply|role reply|async reply|"
    "error|BARRIER_REPLY|echo|hello|nx error",
}
BY_OS_KEN = [(version, name) for version, names in OS_KEN.items() for name in names.split("|")]


def shared_numbers(theirs, ours) -> list:
    """Return (name, their number, our number) of the fields that both have, also of those in lists of entries."""
    found = []
    for name in dir(theirs):
        value = None if name[0] == "_" else getattr(theirs, name)
        if name in ("body", "stats") or (isinstance(value, list) and hasattr(ours, name)):
            entries = getattr(ours, "stats", None) if name == "body" else getattr(ours, name, None)
            pairs = zip(value, entries) if isinstance(value, list) and isinstance(entries, list) else [(value, ours)]
            for their_entry, our_entry in pairs:
                found += shared_numbers(their_entry, our_entry) if not isinstance(their_entry, int) else []
        elif isinstance(value, int) and isinstance(getattr(ours, name, None), int):
            found.append((name, value, getattr(ours, name)))
    return found


@pytest.mark.parametrize(("version", "name"), BY_OS_KEN)
def test_os_ken_reads_the_same_numbers(version, name):
    data = GOLDEN[version][name][0]
    kind, length, xid = HEADER.unpack_from(data)[1:]
    theirs = os_ken("ofproto_parser").msg(Datapath(version), data[0], kind, length, xid, bytearray(data))
    assert theirs is not None and theirs.xid == xid
    numbers = shared_numbers(theirs, decode_fully(data))
    assert [entry for entry in numbers if entry[1] != entry[2] and entry[0] not in ("type", "length", "len")] == []
    fields = {"features reply": 3, "packet in": 2, "flow removed": 5, "port stats reply": 12, "flow stats reply": 8}
    assert len(numbers) >= fields.get(name, 0)
