"""Proof by harm: load on a real service while its parts are killed and starved, then a reckoning."""
