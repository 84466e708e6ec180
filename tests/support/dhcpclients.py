"""The DHCP clients of a distribution, run in an endpoint's namespace without touching the machine."""

from __future__ import annotations

import os
import subprocess
from typing import Any

from vlcp.lab._shell import inside

_DHCLIENT_CONF = """\
option rfc3442-classless-static-routes code 121 = array of unsigned integer 8;
request subnet-mask, broadcast-address, routers, interface-mtu, host-name, domain-name, domain-name-servers,
  rfc3442-classless-static-routes;
timeout 10;
initial-interval 1;
"""
_DHCPCD_CONF = "noarp\nnoipv4ll\noption classless_static_routes, interface_mtu, routers, subnet_mask, host_name, domain_name\n"
_SCRIPT = '#!/bin/sh\n[ -n "$1$reason" ] && env >> {path}.all\n[ -n "$ip$new_ip_address" ] && env > {path}\nexit 0\n'
_PRIVATE = (
    "for place in /run/dhcpcd /var/lib/dhcpcd; do mkdir -p $place; mount -t tmpfs none $place; done; "
    "exec dhcpcd -1 -4 -B --waitip -t 10 -f {conf} -c {script} eth0"
)
CLIENTS = ("dhclient", "udhcpc", "dhcpcd")


def request(client: str, endpoint: Any, directory: Any, release: bool = False) -> dict[str, str]:
    """Let a client ask once; return what it was given: ``ip``, ``mask``, ``mtu``, ``router``, ``routes``, ``hostname``.

    ``routes`` is as the client writes it. With ``release`` dhclient gives the address back instead.
    """
    path = os.path.join(directory, f"{endpoint.plan.name}-{client}")
    for name, text in ((path + ".sh", _SCRIPT.format(path=path)), (path + ".conf", _config(client))):
        with open(name, "w", encoding="ascii") as file:
            file.write(text)
        os.chmod(name, 0o755)
    if os.path.exists(path):
        os.unlink(path)
    argv = inside(endpoint.namespace, _command(client, path, release))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=40, check=False)
    assert release or os.path.exists(path), f"{client}: {done.stdout}{done.stderr}"
    if release:
        return {}
    with open(path, encoding="utf-8", errors="replace") as file:
        found = dict(line.rstrip("\n").partition("=")[::2] for line in file)
    names = _NAMES["udhcpc" if client == "udhcpc" else "others"]
    result = {name: found.get(variable, "") for name, variable in names.items()}
    result["routes"] = next((found[name] for name in _ROUTES if found.get(name)), "")
    return result


_NAMES = {
    "udhcpc": {"ip": "ip", "mask": "subnet", "mtu": "mtu", "router": "router", "hostname": "hostname"},
    "others": {
        "ip": "new_ip_address",
        "mask": "new_subnet_mask",
        "mtu": "new_interface_mtu",
        "router": "new_routers",
        "hostname": "new_host_name",
    },
}
_ROUTES = ("staticroutes", "new_rfc3442_classless_static_routes", "new_classless_static_routes")


def _config(client: str) -> str:
    return {"dhclient": _DHCLIENT_CONF, "dhcpcd": _DHCPCD_CONF}.get(client, "")


def _command(client: str, path: str, release: bool) -> list[str]:
    if client == "dhclient":
        files = ["-sf", path + ".sh", "-lf", path + ".leases", "-pf", path + ".pid", "-cf", path + ".conf"]
        return ["dhclient", "-4", "-1", "-v", *(["-r"] if release else []), *files, "eth0"]
    if client == "udhcpc":
        wanted = ["-O", "mtu", "-O", "staticroutes", "-O", "hostname"]
        return ["udhcpc", "-i", "eth0", "-f", "-n", "-q", "-t", "10", "-T", "1", "-s", path + ".sh", *wanted]
    return ["unshare", "--mount", "sh", "-c", _PRIVATE.format(conf=path + ".conf", script=path + ".sh")]
