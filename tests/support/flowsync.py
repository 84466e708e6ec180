"""A connection whose other end is a :class:`~support.fakeswitch.FakeSwitch` in the same process, for tests of the sender."""

from __future__ import annotations

import struct
from typing import Any, Dict, List, Tuple

from support.fakeswitch import ERROR, EXPERIMENTER, MULTIPART_REPLY, FakeSwitch
from support.poller import manual_scheduler, run_scheduler

import vlcp.protocol.openflow.defs.openflow13 as of13
from vlcp.protocol.openflow.openflow import OpenflowProtocolException
from vlcp.service.sdn._flows.encode import Layout
from vlcp.service.sdn._flows.sync import SwitchSync, SyncSettings

TABLES = {"ingress": 0, "l2input": 1, "l2output": 2, "l2learning": 3, "egress": 4}
NEXT = {"ingress": "l2input", "l2input": "l2output", "l2output": "egress"}
LAYOUT = Layout(TABLES, NEXT, True, 0)


class DirectProtocol:
    """Hands packed messages to a switch at once; ``lost`` makes the connection look lost, ``silent`` the switch,
    and with ``unheard`` the switch does what it is told but its answers do not come."""

    def __init__(self, switch: FakeSwitch) -> None:
        self.switch = switch
        self.lost = False
        self.silent = False
        self.unheard = False
        self.batches: List[List[bytes]] = []
        self._xid = 100

    async def batch_packed(self, messages: Any, connection: Any, container: Any, xid_of: Any = None) -> Any:
        """Do what ``Openflow.batch_packed`` is documented to do."""
        await container.do_events()
        if self.lost:
            connection.connected = False
        if self.lost or self.silent:
            raise OpenflowProtocolException("lost")
        self.batches.append(list(messages))
        index_of: Dict[int, int] = {}
        answers = b""
        for index, message in enumerate(messages):
            self._xid += 1
            index_of[self._xid] = index
            xid = struct.pack(">I", self._xid)
            message = message[:4] + xid + message[8:]
            if message[1] == EXPERIMENTER and message[8:16] == b"\x4fNF\x00\x00\x00\x08\xfd":
                message = message[:28] + xid + message[32:]
            answers += self.switch.feed(message)
        if self.unheard:
            raise OpenflowProtocolException("lost")
        return self._sort(answers, index_of)

    @staticmethod
    def _sort(answers: bytes, index_of: Dict[int, int]) -> Tuple[Dict[int, Any], Dict[int, Any]]:
        errors: Dict[int, Any] = {}
        replies: Dict[int, Any] = {}
        while answers:
            size = int.from_bytes(answers[2:4], "big")
            data, answers = answers[:size], answers[size:]
            index = index_of.get(int.from_bytes(data[4:8], "big"))
            if index is None:
                continue
            if data[1] == ERROR:
                errors[index] = of13.ofp_msg.parse(data)[0]
            elif data[1] == MULTIPART_REPLY and index in replies:
                replies[index].append(data)
            else:
                replies[index] = [data]
        return errors, replies


class DirectConnection:
    """What :class:`SwitchSync` uses of a connection."""

    def __init__(self, switch: FakeSwitch) -> None:
        self.switch = switch
        self.protocol = DirectProtocol(switch)
        self.openflowdef = of13
        self.connected = True

    def __repr__(self) -> str:
        return "<switch 1>"


class SyncBench:
    """One switch and its sender; ``await bench.run(seconds)`` lets time pass on the manual clock."""

    def __init__(
        self,
        container: Any,
        switch: FakeSwitch,
        owners: Any = ("m",),
        layout: Layout = LAYOUT,
        settings: SyncSettings = SyncSettings(),
    ) -> None:
        self.container = container
        self.switch = switch
        self.connection = DirectConnection(switch)
        self.sync = SwitchSync(self.connection, layout, owners, settings, container.scheduler)
        self.ledger = self.sync.ledger
        self.sync.start()

    async def run(self, seconds: float = 0.5) -> None:
        """Let ``seconds`` pass."""
        await self.container.wait_with_timeout(seconds)

    async def want(self, owner: str, rows: Any) -> None:
        """Let a module want exactly these rows, and the sender work."""
        self.ledger.want(owner, rows)
        self.sync.wake()
        await self.run()


def on_manual_clock(test: Any) -> Any:
    """Decorate ``async def test(container)``: run it on a scheduler whose clock jumps."""

    def run() -> None:
        run_scheduler(test, None, manual_scheduler())

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run
