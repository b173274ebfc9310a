"""The load bench: the service beside reference lines, in the same run on the same machine."""
