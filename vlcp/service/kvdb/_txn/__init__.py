"""Transactions as pure functions: mirror, walkers, attempts, indexes."""
