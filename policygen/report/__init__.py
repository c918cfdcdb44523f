"""Renders plans and findings: one module for each output format."""
