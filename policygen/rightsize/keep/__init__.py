"""What stays without evidence of use, and why."""
