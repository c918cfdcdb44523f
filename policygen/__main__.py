"""Runs the command line for ``python -m policygen``."""

from policygen.cli.app import main

main()
