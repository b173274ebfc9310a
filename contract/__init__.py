"""The contract as a document, and what would break those who rely on it."""
