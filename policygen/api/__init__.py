"""The Python API: the public functions, above all that they bring together."""
