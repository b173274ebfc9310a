"""A SIMULATED core system of an agency: for tests, demonstrations and practice, and never for anything real.

A process of its own with tables of its own. It speaks docs/connectors.md as a real one would, says of every
answer that it is simulated, and misbehaves when it is told to.
"""
