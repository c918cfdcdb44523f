"""Runs the command line for ``python -m policygen``."""

from policygen.cli.start import start_command_line

start_command_line()
