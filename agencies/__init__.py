"""Who decides where."""
