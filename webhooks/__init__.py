"""Subscriptions to events, and their delivery by signed calls (Standard Webhooks)."""
