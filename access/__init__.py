"""Who may do what: callers, roles, grants, tokens."""
