"""Exports in flight: what comes next for each, and what follows when something goes wrong."""
