"""The registry: banks, agreements, outlets, terminals, tellers."""
