"""Rows written the way ``ovs-ofctl dump-flows`` and ``dump-groups`` write them, to compare with captured dumps."""

from __future__ import annotations

from typing import Any, Iterable

from vlcp.service.sdn._flows.encode import Layout, _in_metadata, _metadata_bits
from vlcp.service.sdn._flows.fields import FIELDS, LOGICAL, format_value
from vlcp.service.sdn._flows.spec import SEND_FLOW_REM, Flow, Group

_ORDER = (
    *("tun_id", "reg4", "reg5", "reg6", "reg7", "metadata", "in_port", "vlan_vid", "eth_src", "eth_dst"),
    *("ipv4_dst", "ip_ttl", "arp_tpa", "arp_op", "udp_dst", "icmpv4_type", "icmpv4_code"),
)
_NAMES = {
    "eth_dst": "dl_dst",
    "eth_src": "dl_src",
    "vlan_vid": "dl_vlan",
    "ipv4_dst": "nw_dst",
    "udp_dst": "tp_dst",
    "ip_ttl": "nw_ttl",
    "icmpv4_type": "icmp_type",
    "icmpv4_code": "icmp_code",
}
_TARGETS = {"ipv4_src": "ip_src", "ipv4_dst": "ip_dst", "icmpv4_type": "icmp_type"}
_PROTOCOLS = {(0x0806, None): "arp", (0x0800, None): "ip", (0x0800, 17): "udp", (0x0800, 1): "icmp"}
_MOVE_NAMES = {
    "arp_spa": "NXM_OF_ARP_SPA[]",
    "arp_tpa": "NXM_OF_ARP_TPA[]",
    "arp_sha": "NXM_NX_ARP_SHA[]",
    "arp_tha": "NXM_NX_ARP_THA[]",
    "ipv4_src": "NXM_OF_IP_SRC[]",
    "ipv4_dst": "NXM_OF_IP_DST[]",
}
_LEARN_NAMES = {
    "reg4": "NXM_NX_REG4[]",
    "reg5": "NXM_NX_REG5[]",
    "reg6": "NXM_NX_REG6[]",
    "eth_dst": "NXM_OF_ETH_DST[]",
    "eth_src": "NXM_OF_ETH_SRC[]",
    "in_port": "OXM_OF_IN_PORT[]",
    "tun_id": "NXM_NX_TUN_ID[]",
    "tun_src": "NXM_NX_TUN_IPV4_SRC[]",
    "tun_dst": "NXM_NX_TUN_IPV4_DST[]",
}


def _wire_name(name: str) -> str:
    return LOGICAL[name].register if name in LOGICAL else name


def _number(value: int) -> str:
    return hex(value) if value else "0"


def _condition(name: str, value: int, mask: Any) -> str:
    if name == "vlan_vid":
        return f"dl_vlan={value - 0x1000}"
    if FIELDS[name].kind == "ip4" and mask is not None:
        text = f"{format_value(name, value)}/{bin(mask).count('1')}"
    elif FIELDS[name].kind in ("mac", "ip4"):
        text = format_value(name, value) + ("" if mask is None else "/" + format_value(name, mask))
    elif name in ("in_port", "ip_ttl", "arp_op", "udp_dst", "icmpv4_type", "icmpv4_code"):
        text = str(value)
    else:
        text = _number(value) + ("" if mask is None else "/" + hex(mask))
    return f"{_NAMES.get(name, name)}={text}"


def _set(name: str, value: int) -> str:
    field = _wire_name(name)
    shown = str(value) if field in ("vlan_vid", "arp_op") else _number(value)
    if FIELDS[field].kind in ("mac", "ip4"):
        shown = format_value(field, value)
    return f"set_field:{shown}->{_TARGETS.get(field, field)}"


def _learn(action: Any, layout: Layout) -> str:
    _, table, _, cookie, hard_s, specs = action
    parts = [f"table={layout.tables[table]}", f"hard_timeout={hard_s}", *([f"cookie={cookie:#x}"] if cookie else [])]
    for kind, target, offset, _, source, value in specs:
        if source is None:
            name = _wire_name(target)
            parts.append(f"{name}={value:#x}" if kind == "match" else f"load:{value:#x}->NXM_NX_{name.upper()}[{offset}]")
            continue
        to, origin = _LEARN_NAMES[_wire_name(target)], _LEARN_NAMES[_wire_name(source)]
        parts.append(f"{to}={origin}" if kind == "match" else f"load:{origin}->{to}")
    return f"learn({','.join(parts)})"


def _move(action: Any) -> str:
    names = {**_LEARN_NAMES, **_MOVE_NAMES}
    return f"move:{names[_wire_name(action[1])]}->{names[_wire_name(action[3])]}"


def _action(action: Any, layout: Layout) -> str:
    kind = action[0]
    if kind == "load":
        return f"load:{_number(action[4])}->NXM_NX_{_wire_name(action[1]).upper()}[{action[2]}]"
    if kind == "move":
        return _move(action)
    if kind == "set":
        return _set(action[1], action[2])
    if kind == "output":
        special = {0xFFFFFFF8: "IN_PORT", 0xFFFFFFFD: f"CONTROLLER:{action[2]}"}
        return special.get(action[1], f"output:{action[1]}")
    simple = {
        "group": lambda: f"group:{action[1]}",
        "push_vlan": lambda: f"push_vlan:{action[1]:#x}",
        "pop_vlan": lambda: "pop_vlan",
        "clear": lambda: "clear_actions",
        "resubmit": lambda: f"resubmit(,{layout.tables[action[1]]})",
        "learn": lambda: _learn(action, layout),
        "dec_ttl": lambda: "dec_ttl",
        "set_ttl": lambda: f"mod_nw_ttl:{action[1]}",
    }
    return simple[kind]()


def _actions(flow: Flow, layout: Layout) -> Iterable[str]:
    metadata = [0, 0]
    goto = []
    for action in flow.do:
        if action[0] in ("next", "goto", "after"):
            table = flow.table if action[0] == "next" else action[1]
            if action[0] != "goto":
                table = layout.next_tables[table]
            goto = [f"goto_table:{layout.tables[table]}"]
        elif not layout.nicira and action[0] == "set" and action[1] in LOGICAL:
            value, mask = _metadata_bits(action)
            metadata = [metadata[0] | value, metadata[1] | mask]
        else:
            yield _action(action, layout)
    if metadata[1]:
        yield f"write_metadata:{metadata[0]:#x}" + ("" if metadata[1] == (1 << 64) - 1 else f"/{metadata[1]:#x}")
    yield from goto


def flow_line(flow: Flow, layout: Layout) -> str:
    """Return a row as one line of a dump."""
    conditions = flow.match if layout.nicira else _in_metadata(flow.match)
    values = {name: value for name, value, _ in conditions}
    shown = [row for row in conditions if row[0] not in ("eth_type", "ip_proto")]
    found = {_wire_name(name): _condition(_wire_name(name), value, mask) for name, value, mask in shown}
    words = [f"priority={flow.priority}"] if flow.priority != 0x8000 else []
    if "eth_type" in values:
        words.append(_PROTOCOLS[values["eth_type"], values.get("ip_proto")])
    words += [found[name] for name in _ORDER if name in found]
    head = [f"cookie={flow.cookie:#x}"] if flow.cookie else []
    table = layout.tables[flow.table]
    head += [f"table={table}"] if table else []
    head += [f"idle_timeout={flow.idle_s}"] if flow.idle_s else []
    head += [f"hard_timeout={flow.hard_s}"] if flow.hard_s else []
    first = "send_flow_rem " if flow.flags & SEND_FLOW_REM else ""
    return ", ".join([*head, first + ",".join(words)]) + " actions=" + ",".join(_actions(flow, layout))


def group_line(group: Group, layout: Layout) -> str:
    """Return a group as one line of a dump."""
    buckets = ["bucket=actions=" + ",".join(_action(action, layout) for action in bucket) for bucket in group.buckets]
    return ",".join([f"group_id={group.group_id}", f"type={group.kind}", *buckets])
