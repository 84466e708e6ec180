"""Modules that own connections: servers and stores."""
