"""A change under check: what it may rest on."""
