"""Configuration: the tree of settings, the file syntax, and classes that read settings as attributes.

``config.py`` has the public classes and decorators, ``_syntax.py`` the text form, ``_registry.py`` knows which
settings exist. No other package is imported here.
"""

from vlcp.config._registry import UnknownKey, configurable_classes, unknown_keys
from vlcp.config.config import (
    ConfigTree,
    Configurable,
    Manager,
    config,
    configbase,
    defaultconfig,
    manager,
)

__all__ = [
    "ConfigTree",
    "Configurable",
    "Manager",
    "UnknownKey",
    "config",
    "configbase",
    "configurable_classes",
    "defaultconfig",
    "manager",
    "unknown_keys",
]
