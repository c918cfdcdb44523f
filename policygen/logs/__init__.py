"""From bytes to counted calls: sources, decoding, verification, events, counting, cache."""
