"""The three calls of the API (submit, poll, download) and the parsing of its answers."""
