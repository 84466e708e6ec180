"""The proxy ``kvstorage``, and the contract of the modules behind it (manual 4.4.2).

A storage module keeps values under string keys. Its APIs are those of ``redisdb``; the database layer
uses two of them:

``updateallwithtime(keys, updater, timeout=None)``
    One transaction. ``updater(keys, values, timestamp)`` gets the values of ``keys`` at one moment (None
    for a key that does not exist), on copies that it may change, and the time of the store in
    microseconds. It returns ``(updated_keys, updated_values)``; None as a value deletes; keys outside
    ``keys`` may be written. All of it is written or nothing, and only if nobody changed the values of
    ``keys`` in between; otherwise the updater is called again, so it must be pure: the same result for the
    same arguments, and no other effect. Time stamps never go back. The result is what the updater returned
    last. The outcomes:

    * *committed*: the call returns; the values are safe from a crash of this process and of the machine
    * *aborted*: the updater raised; the exception comes to the caller, and nothing is written. The values that it
      had seen were of one moment, unless the exception has a true attribute ``needs_no_check``
    * *conflict beyond limit*: :class:`TransactionRetryExceededException` or an exception of the module;
      nothing is written
    * *unavailable*: :class:`StorageUnavailableException` within 3 seconds; nothing is written, now or later
    * *unknown*: :class:`StorageOutcomeUnknownException`; the reply was lost. Only a caller that can do the
      same thing twice may repeat it

    The time is counted from the call, also while it waits for other transactions. An updater may have an attribute
    ``waited``, the seconds that its caller has spent in former calls for the same purpose: they count too, but a store that
    answers quickly is never given up.

``mgetwithcache(keys, cache=None)``
    The values of ``keys`` at one moment, as ``(values, cache)``. A value that is in ``cache`` and did not
    change is the very same object. The values belong to the store and must not be changed. Raises
    :class:`StorageUnavailableException` within 3 seconds, and :class:`StoredValueError`, which names the key, for a
    value that cannot be decoded.

A call whose caller has given up is not carried out later.

The module behind ``updatenotifier`` answers ``createnotifier()`` with a :class:`vlcp.utils.notifier.Notifier`.
"""

from __future__ import annotations

from vlcp.server.module import proxy

__all__ = ["KVStorage"]

KVStorage = proxy("KVStorage", "vlcp.service.connection.sqlitedb.SQLiteDB")
