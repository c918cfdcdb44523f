"""Decode bytes to records: compression, wrappers, and what an object's key says."""
