"""Event scheduler: events, matchers, queues, routines, connections (manual 4.3, 5.2)."""
