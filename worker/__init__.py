"""The other way in: what runs in the background."""
