"""Events and exceptions of OpenFlow connections; public under :mod:`vlcp.protocol.openflow.openflow`."""

from __future__ import annotations

from typing import Any

from namedstruct.namedstruct import dump

from vlcp.event.event import Event, withIndices


@withIndices("datapathid", "auxiliaryid", "state", "connection", "connmark", "createby")
class OpenflowConnectionStateEvent(Event):
    """A connection is set up, or an established one is lost.

    :param datapathid: datapath id of the switch, an integer
    :param auxiliaryid: number of the connection, 0 for the main one
    :param state: CONNECTION_SETUP or CONNECTION_DOWN
    :param connection: the connection
    :param connmark: number of its session
    :param createby: the protocol object
    """

    CONNECTION_SETUP = "setup"
    CONNECTION_DOWN = "down"


@withIndices("datapathid", "auxiliaryid", "connection", "connmark", "xid", "iserror", "createby")
class OpenflowResponseEvent(Event):
    """A message came that answers a request. Attribute ``message`` is its struct.

    :param xid: transaction number of the request
    :param iserror: True for an error message
    """


@withIndices("type", "datapathid", "auxiliaryid", "tableid", "cookie", "connection", "connmark", "createby")
class OpenflowAsyncMessageEvent(Event):
    """The switch sent a message by itself: a packet-in, flow-removed or port-status. ``message`` is its struct.

    :param type: message type, for instance ``OFPT_PACKET_IN``
    :param tableid: table of the flow; 0 for messages without one
    :param cookie: cookie of the flow; 0 for messages without one
    """


@withIndices("connection", "type", "connmark", "createby")
class OpenflowPresetupMessageEvent(Event):
    """A message of the set-up came: HELLO, ERROR or FEATURES_REPLY. ``message`` is its struct.

    :param type: message type
    """


@withIndices("experimenter", "exptype", "datapathid", "auxiliaryid", "connection", "connmark", "createby")
class OpenflowExperimenterMessageEvent(Event):
    """An experimenter (vendor) message came that nobody asked for. ``message`` is its struct.

    :param experimenter: number of the experimenter
    :param exptype: its message type
    """


class OpenflowProtocolException(Exception):
    """The connection was lost or broke the protocol, so that a request got no answer."""


class OpenflowErrorResultException(Exception):
    """The switch answered with an error.

    :param errormsg: the error message, a struct with ``type``, ``code`` and ``data``
    :param prompt: beginning of the text
    :param result: what was answered to the other requests of a batch, as :meth:`Openflow.batch` returns it
    """

    def __init__(self, errormsg: Any, prompt: str = "An error message is returned: ", result: Any = None) -> None:
        super().__init__(prompt + repr(dump(errormsg)))
        self.errormsg = errormsg
        self.result = result
