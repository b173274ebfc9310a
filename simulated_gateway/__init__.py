"""A SIMULATED gateway of text messages, to run the service against. It sends nothing to anybody."""
