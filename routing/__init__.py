"""Rules that say which agency decides, and what an outlet may do."""
