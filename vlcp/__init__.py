"""VLCP: a software-defined-network controller and the framework it is written on.

Packages, in reading order:

``vlcp.config``    configuration tree, file syntax and configurable classes
``vlcp.event``     the event scheduler: events, matchers, queues, routines, connections
``vlcp.protocol``  protocols on connections; ``_wire`` holds their parsers without input or output
``vlcp.server``    the server, modules and the module loader
``vlcp.utils``     helpers, and the data model of networks
``vlcp.service``   the modules: stores, managers of switches, flow modules, Web API
``vlcp.lab``       hypervisors on one machine, for users and tests
``vlcp.start``     the command line
"""

__version__ = "3.0.0.dev0"
