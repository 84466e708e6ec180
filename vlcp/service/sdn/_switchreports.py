"""What the flow engine tells people and monitoring about the switches (module ``openflowmanager``)."""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, List, Mapping, Tuple

from vlcp.service.sdn._flows.sync import SwitchSync
from vlcp.utils.metrics import COUNTER, GAUGE, HISTOGRAM, Metric


class SwitchReports:
    """The reporting APIs of the OpenFlow manager.

    :param switches: ``{connection: its flow engine}``; followed, not copied
    """

    def __init__(self, switches: Mapping[Any, SwitchSync]) -> None:
        self._switches = switches

    def flowstatus(self, datapathid=None, vhost=None):
        """Tell for each switch what the flow engine has done and what it owes.

        :param datapathid: None for every switch
        :param vhost: None for every vHost
        :return: list of {datapathid, vhost, epoch, bundles, holding, waiting_for, installed: {flows, groups}, owed,
            refused: [{row, reason, owners}], drift: {checks, repaired}}
        """
        return [
            {"datapathid": connection.openflow_datapathid, "vhost": connection.protocol.vhost, **switch.describe()}
            for connection, switch in self._switches.items()
            if datapathid in (None, connection.openflow_datapathid) and vhost in (None, connection.protocol.vhost)
        ]

    def metrics(self):
        """Return the numbers of all switches; see :class:`~vlcp.utils.metrics.Metric`."""
        switches = [(_labels(connection), switch) for connection, switch in self._switches.items()]

        def each(name: str, kind: str, text: str, value: Any) -> Metric:
            return Metric(name, kind, text, [(labels, value(switch)) for labels, switch in switches])

        return [
            Metric("vlcp_switches", GAUGE, "Switches that are connected.", [({}, len(switches))]),
            Metric("vlcp_flows", GAUGE, "Flows that a switch has acknowledged, by table.", _flows_by_table(switches)),
            each("vlcp_groups", GAUGE, "Groups that a switch has acknowledged.", lambda one: len(one.ledger.groups.installed)),
            each("vlcp_rows_owed", GAUGE, "Rows that a switch does not have as wanted.", _owed),
            each("vlcp_rows_refused", GAUGE, "Rows that a switch has refused.", lambda one: len(one.ledger.refused())),
            each(
                "vlcp_drift_checks", COUNTER, "Comparisons of a switch with what it should hold.", lambda one: one.status.checks
            ),
            each("vlcp_drift_repaired", COUNTER, "Differences that such checks have repaired.", lambda one: one.status.repaired),
            each(
                "vlcp_programming_latency_seconds",
                HISTOGRAM,
                "From when this controller heard of a change in the database until the switch had acknowledged the flows.",
                lambda one: one.status.latency.distribution(),
            ),
        ]

    def ready(self):
        """Return why some switch does not have its flows yet, None when all have them."""
        for connection, switch in self._switches.items():
            waiting = switch.ledger.waiting_for()
            if waiting:
                name = _labels(connection)["datapath"]
                return "switch %s waits for the rows of %s" % (name, ", ".join(waiting))
        return None


def _labels(connection: Any) -> Dict[str, str]:
    return {"datapath": "%016x" % (connection.openflow_datapathid,), "vhost": connection.protocol.vhost}


def _owed(switch: SwitchSync) -> int:
    return switch.ledger.owed() + switch.status.in_flight


def _flows_by_table(switches: List[Tuple[Dict[str, str], SwitchSync]]) -> List[Tuple[Dict[str, str], int]]:
    return [
        ({**labels, "table": table}, count)
        for labels, switch in switches
        for table, count in sorted(Counter(table for table, _, _ in switch.ledger.flows.installed).items())
    ]
