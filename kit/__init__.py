"""Tools that know no social insurance."""
