"""A saved, versioned suggestion that every output format renders."""
