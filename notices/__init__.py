"""Telling applicants: each notice has a way, a time and a proof, or stands on a list for somebody to tell."""
