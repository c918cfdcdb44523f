"""Renders findings for code review: SARIF, JUnit, annotations."""
