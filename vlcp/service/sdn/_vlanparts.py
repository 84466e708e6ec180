"""Match fields and actions that carry a logical network over a port, as a number in a VLAN tag or untagged."""

from __future__ import annotations

from typing import Any, List, Tuple

_ETHERTYPE_8021Q = 0x8100
FlowParts = Tuple[list, list, list, list, list]


def _output(of: Any, port: int) -> Any:
    return of.ofp_action_output(port=port)


def untagged_parts(of: Any, port: int) -> FlowParts:
    """Return the five lists of ``createioflowparts`` for packets that pass as they are.

    :param of: OpenFlow definitions of the connection
    :param port: OpenFlow port number
    """
    return [], [], [_output(of, port)], [_output(of, port)], [_output(of, of.OFPP_IN_PORT)]


def tagged_parts(of: Any, port: int, tag: int) -> FlowParts:
    """Return the five lists of ``createioflowparts`` for packets that carry a VLAN tag outside.

    :param of: OpenFlow definitions of the connection
    :param port: OpenFlow port number
    :param tag: VLAN tag
    """
    vlan = of.create_oxm(of.OXM_OF_VLAN_VID, tag | of.OFPVID_PRESENT)

    def send(to: int) -> List[Any]:
        push = of.ofp_action_push(type=of.OFPAT_PUSH_VLAN, ethertype=_ETHERTYPE_8021Q)
        return [push, of.ofp_action_set_field(field=vlan), _output(of, to)]

    return [vlan], [of.ofp_action(type=of.OFPAT_POP_VLAN)], send(port), send(port), send(of.OFPP_IN_PORT)
