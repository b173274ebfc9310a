"""The catalogue: matters and the versions of their guides."""
