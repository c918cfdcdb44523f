"""Where records come from: one file or folder per log source."""
