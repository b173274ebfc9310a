"""The event log, its feed, and the order in which it is told."""
