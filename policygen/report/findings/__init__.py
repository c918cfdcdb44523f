"""Findings for code review: SARIF, JUnit, annotations."""
