"""From access requests to grants and policy documents."""
