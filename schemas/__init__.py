"""The contracts on the wire, and the checks that both ends share."""
