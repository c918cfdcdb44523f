"""Calls that a program's own side recorded: traces, and what SDKs say of their calls. Each format is one module."""
