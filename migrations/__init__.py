"""Migrations, and the running of them."""
