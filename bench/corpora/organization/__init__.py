"""An invented organisation: its roles, the calls they make, and the records of these calls."""
