"""A private Open vSwitch with dummy ports whose bridge connects to an :class:`Openflow` protocol under test."""

from __future__ import annotations

import contextlib
import pathlib
import tempfile
from typing import Any, Awaitable, Callable, Iterator, Optional

from support.ovs import OvsInstance
from support.poller import run_scheduler

from vlcp.event.connection import TcpServer
from vlcp.protocol.openflow.openflow import Openflow, OpenflowConnectionStateEvent

DATAPATH = 0xAB


@contextlib.contextmanager
def dummy_switch(ports: int = 3) -> Iterator[OvsInstance]:
    """Yield a running switch with the bridge ``br0`` and the ports p1, p2, ... of the same numbers."""
    # Paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="of") as directory:
        switch = OvsInstance(pathlib.Path(directory))
        try:
            switch.start()
            switch.add_bridge("br0", DATAPATH)
            for number in range(1, ports + 1):
                switch.add_port("br0", f"p{number}", ofport_request=str(number))
            yield switch
        finally:
            switch.stop()


def talk(
    switch: OvsInstance,
    conversation: Callable[[Any, Any], Awaitable[Any]],
    protocols: str = "OpenFlow10,OpenFlow13",
    protocol: Optional[Openflow] = None,
    timeout: float = 30,
) -> Any:
    """Run ``conversation(container, connection)`` on a connection that br0 has made to us, and return its result.

    :param protocols: OpenFlow versions of the bridge
    :param protocol: None for one with the default settings
    """
    protocol = protocol or Openflow()

    async def main(container: Any) -> Any:
        server = TcpServer("tcp://127.0.0.1:0/", protocol, container.scheduler)
        up = OpenflowConnectionStateEvent.createMatcher(state=OpenflowConnectionStateEvent.CONNECTION_SETUP, createby=protocol)
        server.start()
        while not server.listening:
            await container.wait_with_timeout(0.01)
        target = f"tcp:127.0.0.1:{server.localaddr[1]}"
        bridge = ["set", "Bridge", "br0", f"protocols={protocols}", "--", "set-controller", "br0", target]
        switch.vsctl("--no-wait", *bridge, "--", "set", "Controller", "br0", "max_backoff=1000")
        connection = (await up).connection
        try:
            return await conversation(container, connection)
        finally:
            switch.vsctl("--no-wait", "del-controller", "br0")
            await server.shutdown()
            await connection.shutdown(True)

    return run_scheduler(main, timeout)
