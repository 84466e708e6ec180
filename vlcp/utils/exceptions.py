"""Exceptions that cross module borders (manual 5.7, ``vlcp.utils.exceptions``).

Each one is named for the reader's next step: fix the call, wait, or try again.
"""

from __future__ import annotations

from typing import Any


class ModuleAPICallTimeoutException(Exception):
    """No module answered an API call in time."""


class APIRejectedException(Exception):
    """A module, or every module for a public call, refused an API call."""


class APINotFoundException(APIRejectedException):
    """The module or the API that a call names does not exist."""


class APIParameterException(TypeError):
    """An API call misses a parameter or has one that the API does not take."""


class TypeMismatchException(ValueError):
    """A value has not the type that an API documents; the message names its path."""


class StorageUnavailableException(Exception):
    """The key-value store cannot be reached; the operation was not carried out."""


class StorageOutcomeUnknownException(Exception):
    """The reply of a write was lost; whether it was carried out is not known."""


class StaleResultException(Exception):
    """The store cannot be read and the caller does not take older values.

    :param result: the last known values
    :param desc: text of the exception
    """

    def __init__(self, result: Any, desc: str = "Result is stale") -> None:
        super().__init__(desc)
        self.result = result


class AsyncTransactionLockException(Exception):
    """Raised by an updater or walker to restart its transaction.

    :param info: handed to the next call of the asynchronous updater
    """

    def __init__(self, info: Any = None) -> None:
        super().__init__(info)
        self.info = info


class TransactionFailedException(Exception):
    """A transaction was given up; nothing was written."""


class TransactionRetryExceededException(TransactionFailedException):
    """A transaction met too many conflicts."""

    def __init__(self) -> None:
        super().__init__("Max retry exceeded")


class TransactionTimeoutException(TransactionFailedException):
    """A transaction took longer than its ``maxtime``."""

    def __init__(self) -> None:
        super().__init__("Max transact time exceeded")


class WalkKeyNotRetrieved(KeyError):
    """A walker asked for a key that is not read yet; the walker is run again later."""
