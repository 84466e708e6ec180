"""Debugging aids."""
