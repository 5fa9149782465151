"""The small commands beside the tap: audit, coverage, merge-states."""
