"""The keys in use: whether they are the right ones, and sealing again under another."""
