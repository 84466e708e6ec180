"""Modules that serve web pages."""
