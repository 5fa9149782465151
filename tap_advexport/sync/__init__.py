"""Runs one report, from the plan to the last bookmark, for any destination."""
