"""Events in, calls with evidence out: grouping, counting, undoing duplicates, storing."""
