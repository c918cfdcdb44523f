"""Log sources: one file or folder for each."""
