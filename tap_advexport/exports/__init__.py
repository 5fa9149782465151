"""Exports in flight: submit, poll, download, convert, and what to do after an error."""
