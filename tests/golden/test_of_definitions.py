"""Every documented name of the OpenFlow 1.0 and 1.3 definitions: value of each constant, bytes of each empty struct."""

from __future__ import annotations

import csv
import pathlib
import subprocess
import sys

import pytest

from vlcp.protocol.openflow.defs import openflow10, openflow13

VERSIONS = {"openflow10": openflow10, "openflow13": openflow13}
DATA = pathlib.Path(__file__).parent / "data"
#: Structs whose documented bytes are wrong by their specification, with the right ones.
CORRECTED = {
    # The data offset is the upper half of its byte (RFC 793).
    "tcp_bestparse_full": "0000000000000000000000005000000000000000",
    # The header of a struct with a mask must be one with a mask.
    "ofp_oxm_mask_ipv6": "80003520",
    # The vendor of a Nicira error is Nicira (nicira-ext.h), not the error type 0xb0c2.
    "nx_vendor_error_nx": "0001001400000000b0c200000000232000000000",
    # The length of a property does not count its padding (Open vSwitch, ofp-ed-props.c).
    "ofp_ed_prop_nsh_md_type": "0004010500000000",
    # The field follows the header of the action at once (Open vSwitch, ofp-actions.c).
    "nx_action_reg_load2": "ffff0010000023200021000000000000",
}


def rows(name: str) -> list[dict[str, str]]:
    """Return the rows of a table."""
    with open(DATA / name, newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


STRUCTS = [(version, row) for version in VERSIONS for row in rows(f"{version}-structs.tsv")]


@pytest.mark.parametrize(("version", "row"), STRUCTS, ids=[f"{version}.{row['name']}" for version, row in STRUCTS])
def test_an_empty_struct_has_the_documented_bytes_and_attributes(version, row):
    struct = getattr(VERSIONS[version], row["name"])
    if row["name"].startswith("_") and row["empty instance"] == "":
        assert struct.readablename
        return
    empty = struct()
    missing = [name for name in row["attributes"].split() if name[-1] != "?" and not hasattr(empty, name)]
    assert missing == []
    wanted = CORRECTED.get(row["name"], row["empty instance"])
    packed = empty._tobytes().hex()
    if wanted.startswith("("):
        size, start = wanted[1:].split(" bytes) ")
        assert len(packed) == 2 * int(size) and packed.startswith(start.rstrip("."))
    else:
        assert packed == wanted


@pytest.mark.parametrize("version", VERSIONS)
def test_every_constant_has_its_documented_value(version):
    wrong, ofdef = [], VERSIONS[version]
    for row in rows(f"{version}-enums.tsv"):
        name, value = row["name"], int(row["value"])
        if row["exported"] == "y" and getattr(ofdef, name, None) != value:
            wrong.append(name)
        if row["enum"] != "-" and getattr(ofdef, row["enum"]).getDict().get(name) != value:
            wrong.append(f"{row['enum']}.{name}")
    assert wrong == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_that_is_complete_when_empty_is_parsed_into_its_own_type(version):
    wrong, ofdef = [], VERSIONS[version]
    for name, struct in vars(ofdef).items():
        base = struct
        while getattr(base, "base", None) is not None:
            base = base.base
        if base is not ofdef.common.ofp_msg or getattr(struct, "classifyby", None) is None or struct.subclasses:
            continue
        packed = struct()._tobytes()
        parsed, size = ofdef.common.ofp_msg.parse(packed)
        if parsed._gettype() is not struct or size != len(packed) or parsed._tobytes() != packed:
            wrong.append(name)
    assert wrong == []


@pytest.mark.parametrize("version", VERSIONS)
def test_the_definitions_are_imported_quickly(version):
    program = f"import time, vlcp.protocol.openflow.defs.{version}; print(time.process_time())"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 1.5, "seconds of the processor"
