"""One renderer per output format; none knows another."""
