"""Sealed files on obstore."""
