"""Administrative divisions, codes and their history."""
