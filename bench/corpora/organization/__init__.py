"""The organisation whose trails the bench reads: its roles, what they call, and the records of it."""
