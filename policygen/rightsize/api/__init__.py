"""Who may call an API, who calls it, and the smallest policies that let them go on."""
