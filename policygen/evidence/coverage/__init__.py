"""What the trails log: whether the use of an action would have been seen."""
