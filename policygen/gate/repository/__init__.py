"""What a repository has for the gate: which files and roles there are, before a change and after it."""
