"""A learning switch for OpenFlow 1.0: ``python learning10.py [configuration file]``, then on the machine of the switch

ovs-vsctl set bridge BRIDGE protocols=OpenFlow10 -- set-controller BRIDGE tcp:127.0.0.1:6653
"""

import sys

import vlcp.protocol.openflow.defs.openflow10 as of
from vlcp.config import defaultconfig, manager
from vlcp.event.event import M_
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.openflow import OpenflowAsyncMessageEvent, OpenflowConnectionStateEvent
from vlcp.server import main
from vlcp.server.module import Module, depend
from vlcp.service.connection import openflowserver

IDLE_S = 60  # Seconds without packets until a flow is forgotten
NO_BUFFER = 0xFFFFFFFF
WILDCARDS = {"in_port": of.OFPFW_IN_PORT, "dl_src": of.OFPFW_DL_SRC, "dl_dst": of.OFPFW_DL_DST}


def flow(command, port=None, **fields):
    """Return a flow mod whose match are the given fields, and which sends to a port, None for nowhere."""
    wildcards = of.OFPFW_ALL & ~sum(WILDCARDS[key] for key in fields)
    return of.ofp_flow_mod(
        command=command, priority=10, idle_timeout=IDLE_S, buffer_id=NO_BUFFER, out_port=of.OFPP_NONE,
        match=of.ofp_match(wildcards=wildcards, **fields),
        actions=[] if port is None else [of.ofp_action_output(port=port)],
    )  # fmt: skip


@defaultconfig
@depend(openflowserver.OpenflowServer)
class LearningSwitch(Module):
    """Learns from packets at which port each MAC address is; packets to unknown addresses go to all ports."""

    def __init__(self, server):
        super().__init__(server)
        self.ports = {}  # Connection -> MAC address -> port
        self.container = RoutineContainer(self.scheduler)
        self.container.main = self.run
        self.routines.append(self.container)

    async def run(self):
        """Wait for switches and packets; a switch sends all packets that no flow matches, but only 128 bytes by default."""
        states, packets = OpenflowConnectionStateEvent.createMatcher(), OpenflowAsyncMessageEvent.createMatcher(of.OFPT_PACKET_IN)
        while True:
            event, matcher = await M_(states, packets)
            connection = event.connection
            if matcher is states and event.state == OpenflowConnectionStateEvent.CONNECTION_DOWN:
                self.ports.pop(connection, None)
            elif matcher is states and connection.openflowdef is of:
                self.ports[connection] = {}
                whole_packets = [of.ofp_switch_config(miss_send_len=0xFFFF), flow(of.OFPFC_DELETE)]
                self.container.subroutine(connection.protocol.batch(whole_packets, connection, self.container))
            elif connection in self.ports:
                for message in self.packet(self.ports[connection], event.message):
                    self.scheduler.emergesend(connection.protocol.formatrequest(message, connection))

    def packet(self, ports, message):
        """Learn from a packet and yield what the switch shall do."""
        if len(message.data) < 14:
            return
        destination, source = message.data[:6], message.data[6:12]
        if not source[0] & 1:  # No station has the address of a group
            if ports.get(source, message.in_port) != message.in_port:  # The station has moved
                yield flow(of.OFPFC_DELETE, dl_dst=list(source))
            ports[source] = message.in_port
        port = ports.get(destination, of.OFPP_FLOOD)
        if port == message.in_port:
            return
        if port != of.OFPP_FLOOD:
            fields = {"in_port": message.in_port, "dl_src": list(source), "dl_dst": list(destination)}
            yield flow(of.OFPFC_ADD, port, **fields)
        actions, data = [of.ofp_action_output(port=port)], message.data if message.buffer_id == NO_BUFFER else b""
        yield of.ofp_packet_out(buffer_id=message.buffer_id, in_port=message.in_port, actions=actions, data=data)


if __name__ == "__main__":
    manager["protocol.openflow.allowedversions"] = (of.OFP_VERSION,)
    sys.exit(main(*sys.argv[1:2]))
