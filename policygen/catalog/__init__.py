"""Which AWS event needs which permission on which resource: one data file per service."""
