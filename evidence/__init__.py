"""Evidence: what happened, sealed into a chain whose roots are signed and handed out."""
