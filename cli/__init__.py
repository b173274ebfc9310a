"""The command `syt`."""
