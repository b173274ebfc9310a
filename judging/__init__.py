"""What rows of a spreadsheet of outlets are worth: pure, writing nothing and asking nobody."""
