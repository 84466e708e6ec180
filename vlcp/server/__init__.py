"""The server and its modules.

``server.py`` is the process, ``module.py`` what modules are written with. Behind them: ``_plan.py`` decides the order
of loading, ``_loader.py`` carries it out, ``_reimport.py`` replaces code, ``_apidef.py``, ``_api.py`` and ``_calls.py``
are the calls between modules, ``_queues.py`` and ``_process.py`` set up a process.
"""

from vlcp.server.server import Server, main

__all__ = ["Server", "main"]
