"""The commands, one file each. Their docstrings are the texts of the help."""
