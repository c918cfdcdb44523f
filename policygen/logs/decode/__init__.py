"""Bytes in, records out: compression, wrappings, and what an object's key tells."""
