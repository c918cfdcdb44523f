"""From the lines of an access log to who invoked what: formats, entries, callers, outcomes."""
