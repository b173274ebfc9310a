"""Agencies' core systems, behind one interface."""
