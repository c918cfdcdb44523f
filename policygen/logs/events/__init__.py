"""One record in, one event out: who called what, and how it ended."""
