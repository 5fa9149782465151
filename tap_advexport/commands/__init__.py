"""The small commands that come with the tap: audit, coverage and merge-states."""
