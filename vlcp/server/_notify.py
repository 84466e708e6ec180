"""Tell the service manager what state the process is in (sd_notify(3))."""

from __future__ import annotations

import logging
import os
import socket

logger = logging.getLogger(__name__)

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(*assignments: str) -> bool:
    """Send assignments to the socket that the environment variable ``NOTIFY_SOCKET`` names.

    Never waits: a service manager that does not read loses the message.

    :param assignments: as :data:`READY`
    :return: True when they were sent; False without such a socket
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address[:1] not in ("/", "@") or len(address) < 2:
        return False
    # A name that begins with "@" is in the abstract name space (unix(7)).
    name = "\0" + address[1:] if address[0] == "@" else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(assignments).encode(), name)
    except OSError as exc:
        logger.warning("cannot tell the service manager %s at %r: %s", " ".join(assignments), address, exc)
        return False
    return True
