"""Spreadsheets of outlets: read, judged row by row, and written into the registry."""
