"""What does not change from run to run, and is therefore made once: the descriptions of APIs.

A run starts a dozen controllers, each with some hundred APIs.
"""

from __future__ import annotations

import copy
from typing import Any

from vlcp.server import _apidef
from vlcp.utils.typelib import ApiSignature

_describe = _apidef._describe
_signatures: dict = {}
_descriptions: dict = {}


def signature(func: Any, criteria: Any = None) -> ApiSignature:
    """Return what an API takes, as :class:`~vlcp.utils.typelib.ApiSignature` does.

    :param func: method of a module
    :param criteria: None, or another method of the module
    """
    if not hasattr(func, "__func__"):
        return ApiSignature(func, criteria)
    key = func.__func__, getattr(criteria, "__func__", None)
    found = _signatures.get(key)
    if found is None:
        found = _signatures[key] = ApiSignature(func, criteria)
    if criteria is None:
        return found
    own = copy.copy(found)
    own.criteria = criteria
    return own


def description(func: Any, found: ApiSignature) -> dict:
    """Return what ``discover`` shows for an API."""
    key = getattr(func, "__func__", func)
    if key not in _descriptions:
        _descriptions[key] = _describe(func, found)
    return _descriptions[key]
