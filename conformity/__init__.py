"""What a guide, its form and a local layer must be. No tables, no places: rules, and what breaks them."""
