"""Who looked at whose personal data: recorded before it is shown, reported, and watched."""
