# ruff: noqa: F401, F403, F405 - names of several parts under one module
"""Nicira extensions of Open vSwitch: enumerations, and the structs for one OpenFlow version.

The structs extend the experimenter structs of a version, so each version module calls :func:`create_extension` once and has
them as its own attributes.
"""

from __future__ import annotations

from . import _nx_actions, _nx_flows, _nx_match, _nx_messages
from ._nx_enums import *
from ._nx_enums import _is_nx_tunnel_metadata, _nx_tunnel_metadata_formatter, _nx_tunnel_metadata_header_type
from ._nx_props import *


def create_extension(
    namespace, nicira_header, nx_action, nx_stats_request, nx_stats_reply, msg_subtype, action_subtype, stats_subtype
):
    """Define the Nicira structs for one OpenFlow version.

    :param namespace: dictionary of the version's names, usually its ``globals()``; gets the new structs
    :param nicira_header: experimenter (vendor) message of the version with Nicira's vendor number
    :param nx_action: experimenter action with that number
    :param nx_stats_request: experimenter multipart request with that number
    :param nx_stats_reply: experimenter multipart reply with that number
    :param msg_subtype: name of the field of `nicira_header` with the kind of message
    :param action_subtype: name of the field of `nx_action` with the kind of action
    :param stats_subtype: name of the field of the multipart structs with the kind of statistics
    """
    parameters = dict(locals())
    known = dict(parameters.pop("namespace"))
    before = set(known) | set(parameters)
    known.update(parameters)
    for part in (_nx_match, _nx_messages, _nx_flows, _nx_actions):
        part.define(known)
    namespace.update((name, value) for name, value in known.items() if name not in before)
