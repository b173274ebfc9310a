"""An application and its life: the core."""
