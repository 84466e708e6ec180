"""vlcp-lab: hypervisors, endpoints and controllers on one machine."""
