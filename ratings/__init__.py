"""Ratings of what was done (好差评), and what is done about poor ones. Who handled it is not told who rated."""
