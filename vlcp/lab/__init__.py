"""vlcp-lab: hypervisors, endpoints and controllers on one machine, for users and for the project's own tests.

A hypervisor is a network namespace with an Open vSwitch of its own (userspace datapath, so no kernel module is needed) and a
controller; an endpoint is a namespace behind a virtual cable; the underlay is a namespace with a plain bridge that carries
VLAN tags. Every link is made inside the namespaces, so deleting these removes everything.

``_shell``     run a command, or say in one line what failed
``_process``   one long-running program
``_plan``      pure: names, addresses and configuration of a laboratory
``controller`` one controller process and its Web API
``database``   Redis and ZooKeeper servers
``hypervisor`` one Open vSwitch with its bridge
``endpoint``   one endpoint and its pings
``topology``   a whole laboratory: up, status, down
``faults``     what can be broken and mended
``check``      who reaches whom, and why not
``cli``        the command line
"""
