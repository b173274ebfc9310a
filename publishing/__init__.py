"""The way of a guide: drafted, checked, published by a second person, reported on."""
