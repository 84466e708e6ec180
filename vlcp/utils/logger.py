"""Loggers that put the context of a message in front of it."""

from __future__ import annotations

import logging
from typing import Any, MutableMapping, Tuple


class ContextAdapter(logging.LoggerAdapter):
    """Logger adapter that puts ``extra['context']`` and a blank before each message.

    ::

        logger = ContextAdapter(logging.getLogger(__name__), {'context': 'datapath 1:'})
    """

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> Tuple[Any, MutableMapping[str, Any]]:
        """Return the message with the context before it, and the keyword arguments unchanged."""
        context = (self.extra or {}).get("context", "")
        return (f"{context} {msg}" if context else msg), kwargs
