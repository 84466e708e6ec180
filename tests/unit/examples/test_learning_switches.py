"""What the example learning switches tell a switch for each packet, and their size."""

from __future__ import annotations

import pathlib
import runpy

import pytest

from vlcp.protocol.openflow.defs import openflow10, openflow13

EXAMPLES = pathlib.Path(__file__).resolve().parents[3] / "example" / "openflow"
ONE, TWO, GROUP = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), b"\xff" * 6
DEFINITIONS = {"learning10": openflow10, "learning13": openflow13}


def packet_in(of, port, destination, source, data=None):
    data = destination + source + b"\x08\x00" + bytes(46) if data is None else data
    if of is openflow10:
        return of.ofp_packet_in(buffer_id=0xFFFFFFFF, in_port=port, data=data)
    match = of.ofp_match_oxm(oxm_fields=[of.create_oxm(of.OXM_OF_IN_PORT, port)])
    return of.ofp_packet_in(buffer_id=of.OFP_NO_BUFFER, match=match, data=data)


@pytest.fixture(params=DEFINITIONS)
def learner(request):
    """Return a function that takes (port, destination, source) and returns (kind, command or port) of each answer."""
    of, ports = DEFINITIONS[request.param], {}
    switch = runpy.run_path(str(EXAMPLES / f"{request.param}.py"))["LearningSwitch"]

    def learn(*packet, **fields):
        said = []
        for message in switch.packet(None, ports, packet_in(of, *packet, **fields)):
            message._tobytes()
            if message.header.type == of.OFPT_PACKET_OUT:
                said.append(("packet", message.actions[0].port & 0xFFFF))
            else:
                said.append(("flow", message.command))
        return said

    learn.everywhere = (of.OFPP_FLOOD if of is openflow10 else of.OFPP_ALL) & 0xFFFF
    return learn


def test_a_packet_to_an_unknown_station_goes_everywhere_and_one_to_a_known_station_by_a_flow(learner):
    assert learner(1, TWO, ONE) == [("packet", learner.everywhere)]
    assert learner(2, ONE, TWO) == [("flow", openflow13.OFPFC_ADD), ("packet", 1)]
    assert learner(1, GROUP, ONE) == [("packet", learner.everywhere)]


def test_flows_to_a_station_that_has_moved_are_deleted(learner):
    learner(1, GROUP, ONE)
    assert learner(3, GROUP, ONE) == [("flow", openflow13.OFPFC_DELETE), ("packet", learner.everywhere)]
    assert learner(2, ONE, TWO) == [("flow", openflow13.OFPFC_ADD), ("packet", 3)]


def test_a_packet_between_stations_at_one_port_and_one_without_addresses_are_dropped(learner):
    learner(1, GROUP, ONE)
    assert learner(1, ONE, TWO) == []
    assert learner(1, ONE, TWO, data=b"short") == []


def test_no_address_of_a_group_is_learned(learner):
    learner(1, TWO, GROUP)
    assert learner(2, GROUP, TWO) == [("packet", learner.everywhere)]


@pytest.mark.parametrize("example", DEFINITIONS)
def test_an_example_has_less_than_100_lines(example):
    assert len((EXAMPLES / f"{example}.py").read_text().splitlines()) < 100
