"""Who is entrusted with what: banks, their agreements, and the life of their outlets."""
