"""OpenFlow: protocol, events and definitions (manual 5.3.1)."""

from vlcp.protocol.openflow.openflow import (
    Openflow,
    OpenflowAsyncMessageEvent,
    OpenflowConnectionStateEvent,
    OpenflowExperimenterMessageEvent,
    OpenflowPresetupMessageEvent,
    OpenflowResponseEvent,
)

__all__ = [
    "Openflow",
    "OpenflowAsyncMessageEvent",
    "OpenflowConnectionStateEvent",
    "OpenflowExperimenterMessageEvent",
    "OpenflowPresetupMessageEvent",
    "OpenflowResponseEvent",
]
