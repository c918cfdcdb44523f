"""The command line: options, inputs, console."""
