"""The flow engine: what a switch should hold, what it holds, and how to get from one to the other.

Modules of this package are pure (values in, values out), but for ``sync``, ``updater`` and ``lifecycle``.

``fields``   match fields, one line each
``spec``     rows: :class:`~.spec.Flow`, :class:`~.spec.Group`, :class:`~.spec.Sweep`, matches and actions
``tables``   table requests of modules -> numbers and paths (manual 4.5.2)
``ids``      small numbers for networks
``ledger``   wanted rows by owner, rows that the switch has acknowledged, rows that are owed
``parts``    rows by entity; only entities whose inputs changed are computed again
``diff``     whole tables compared
``encode``   rows -> OpenFlow 1.3 bytes
``decode``   OpenFlow 1.3 bytes -> rows
``audit``    a dump of the switch against the ledger
``view``     the objects of one switch as frozen records
``sync``     the routine that sends
"""
