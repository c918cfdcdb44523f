"""From evidence and current access to the smallest policy, with its proof."""
