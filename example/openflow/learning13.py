"""A learning switch for OpenFlow 1.3: ``python learning13.py [configuration file]``, then on the machine of the switch

ovs-vsctl set bridge BRIDGE protocols=OpenFlow13 -- set-controller BRIDGE tcp:127.0.0.1:6653
"""

import sys

import vlcp.protocol.openflow.defs.openflow13 as of
from vlcp.config import defaultconfig, manager
from vlcp.event.event import M_
from vlcp.event.runnable import RoutineContainer
from vlcp.protocol.openflow import OpenflowAsyncMessageEvent, OpenflowConnectionStateEvent
from vlcp.server import main
from vlcp.server.module import Module, depend
from vlcp.service.connection import openflowserver

IDLE_S = 60  # Seconds without packets until a flow is forgotten


def flow(command, priority=0, port=None, idle_s=0, **fields):
    """Return a flow mod whose match are the given fields, and which sends to a port, None for nowhere."""
    actions = [] if port is None else [of.ofp_action_output(port=port, max_len=of.OFPCML_NO_BUFFER)]
    return of.ofp_flow_mod(
        table_id=0, command=command, priority=priority, idle_timeout=idle_s, buffer_id=of.OFP_NO_BUFFER,
        out_port=of.OFPP_ANY, out_group=of.OFPG_ANY,
        match=of.ofp_match_oxm(oxm_fields=[of.create_oxm(getattr(of, "OXM_OF_" + key), fields[key]) for key in fields]),
        instructions=[of.ofp_instruction_actions(type=of.OFPIT_APPLY_ACTIONS, actions=actions)],
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
        """Wait for switches and packets."""
        states, packets = OpenflowConnectionStateEvent.createMatcher(), OpenflowAsyncMessageEvent.createMatcher(of.OFPT_PACKET_IN)
        while True:
            event, matcher = await M_(states, packets)
            connection = event.connection
            if matcher is states and event.state == OpenflowConnectionStateEvent.CONNECTION_DOWN:
                self.ports.pop(connection, None)
            elif matcher is states and connection.openflowdef is of:
                self.ports[connection] = {}
                everything_up = [flow(of.OFPFC_DELETE), flow(of.OFPFC_ADD, 0, of.OFPP_CONTROLLER)]
                self.container.subroutine(connection.protocol.batch(everything_up, connection, self.container))
            elif connection in self.ports:
                for message in self.packet(self.ports[connection], event.message):
                    self.scheduler.emergesend(connection.protocol.formatrequest(message, connection))

    def packet(self, ports, message):
        """Learn from a packet and yield what the switch shall do."""
        in_port = int.from_bytes(of.get_oxm(message.match.oxm_fields, of.OXM_OF_IN_PORT), "big")
        if len(message.data) < 14:
            return
        destination, source = message.data[:6], message.data[6:12]
        if not source[0] & 1:  # No station has the address of a group
            if ports.get(source, in_port) != in_port:  # The station has moved
                yield flow(of.OFPFC_DELETE, ETH_DST=source)
            ports[source] = in_port
        port = ports.get(destination, of.OFPP_ALL)
        if port == in_port:
            return
        if port != of.OFPP_ALL:
            yield flow(of.OFPFC_ADD, 10, port, IDLE_S, IN_PORT=in_port, ETH_SRC=source, ETH_DST=destination)
        actions = [of.ofp_action_output(port=port)]
        yield of.ofp_packet_out(buffer_id=of.OFP_NO_BUFFER, in_port=in_port, actions=actions, data=message.data)


if __name__ == "__main__":
    manager["protocol.openflow.allowedversions"] = (of.OFP_VERSION,)
    sys.exit(main(*sys.argv[1:2]))
