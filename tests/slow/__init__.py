"""Tests that start whole services: `pytest -m slow`."""
