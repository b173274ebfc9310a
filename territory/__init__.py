"""What outlets mean for the land: which townships have one, and the map of it."""
