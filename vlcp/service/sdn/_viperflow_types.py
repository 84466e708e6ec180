"""Types of the parameters of the ``viperflow`` and ``vrouterapi`` calls (manual 3.2.4); ``?`` marks what may be left out."""

from __future__ import annotations

from typing import Any

from vlcp.utils.dhcp import create_option_from_value, option_tag
from vlcp.utils.typelib import (
    DhcpOptions,
    Identifier,
    Integer,
    IPv4Address,
    IPv4Network,
    LeaseTime,
    MacAddress,
    Mismatch,
    Mtu,
    Name,
    NumberRanges,
    Routes,
    TypeCheck,
)


def encodable_options(value: Any) -> dict:
    """Return DHCP options as ``{tag: value}``, each of which a DHCP message can carry.

    :raises Mismatch: something else
    """
    options: dict = DhcpOptions.convert(value)
    for index, (tag, option) in enumerate(options.items()):
        try:
            if option is None:
                option_tag(tag)
            else:
                create_option_from_value(tag, option)
        except ValueError as error:
            raise Mismatch(f"expected options that a DHCP message can carry ({error})", f"[{index}]", [tag, option]) from None
    return options


EncodableOptions = TypeCheck(encodable_options, dict, DhcpOptions.described)

OPTIONAL_ID = (Name, None)
OPTIONAL_PARENT = (Identifier, None)
ID = {"id": Identifier}
IDS = [ID]
ANY_ATTRIBUTES: dict = {}

PHYSICAL_NETWORK_OPTIONS = {"?vnirange": NumberRanges, "?vlanrange": NumberRanges}
NEW_PHYSICAL_NETWORKS = [{"?id": Name, "type": Identifier, **PHYSICAL_NETWORK_OPTIONS}]
CHANGED_PHYSICAL_NETWORKS = [{**ID, **PHYSICAL_NETWORK_OPTIONS}]

PHYSICAL_PORT_NAME = {"name": Identifier, "?vhost": Name, "?systemid": Name, "?bridge": Name}
NEW_PHYSICAL_PORTS = [{"physicalnetwork": Identifier, **PHYSICAL_PORT_NAME}]
PHYSICAL_PORT_NAMES = [PHYSICAL_PORT_NAME]

DHCP_OPTIONS = {
    "?mtu": Mtu,
    "?dns_nameservers": ([IPv4Address], None),
    "?domain_name": (Name, None),
    "?ntp_servers": ([IPv4Address], None),
    "?lease_time": LeaseTime,
    "?extra_dhcp_options": EncodableOptions,
}
LOGICAL_NETWORK_OPTIONS = {"?vni": Integer, "?vxlan": Integer, **DHCP_OPTIONS}
NEW_LOGICAL_NETWORKS = [{"physicalnetwork": Identifier, "?id": Name, **LOGICAL_NETWORK_OPTIONS}]
CHANGED_LOGICAL_NETWORKS = [{**ID, **LOGICAL_NETWORK_OPTIONS}]

LOGICAL_PORT_OPTIONS = {
    "?mac_address": MacAddress,
    "?ip_address": IPv4Address,
    "?hostname": (Name, None),
    "?extra_dhcp_options": EncodableOptions,
}
NEW_LOGICAL_PORTS = [{"?id": Name, "logicalnetwork": Identifier, "?subnet": Identifier, **LOGICAL_PORT_OPTIONS}]
CHANGED_LOGICAL_PORTS = [{**ID, **LOGICAL_PORT_OPTIONS}]

HOST_CONFIG = {
    "?systemid": Name,
    "?bridge": Name,
    "?vhost": Name,
    "?cidr": IPv4Network,
    "?local_address": IPv4Address,
    "?gateway": IPv4Address,
}
SUBNET_OPTIONS = {
    "?gateway": IPv4Address,
    "?allocated_start": IPv4Address,
    "?allocated_end": IPv4Address,
    "?host_routes": Routes,
    "?pre_host_config": [HOST_CONFIG],
    **DHCP_OPTIONS,
}
NEW_SUBNET_OPTIONS = {"?isexternal": bool, **SUBNET_OPTIONS}
CHANGED_SUBNET_OPTIONS = {"?cidr": IPv4Network, **NEW_SUBNET_OPTIONS}
NEW_SUBNETS = [{"?id": Name, "logicalnetwork": Identifier, "cidr": IPv4Network, **NEW_SUBNET_OPTIONS}]
CHANGED_SUBNETS = [{**ID, "?cidr": IPv4Network, **SUBNET_OPTIONS}]

ROUTER_OPTIONS = {"?routes": Routes}
NEW_ROUTERS = [{"?id": Name, **ROUTER_OPTIONS}]
CHANGED_ROUTERS = [{**ID, **ROUTER_OPTIONS}]
INTERFACE_NAME = {"router": Identifier, "subnet": Identifier}
INTERFACE_OPTIONS = {"?ip_address": IPv4Address}
NEW_INTERFACES = [{"?id": Name, **INTERFACE_NAME, **INTERFACE_OPTIONS}]
INTERFACES = [INTERFACE_NAME]
