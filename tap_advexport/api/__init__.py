"""The three calls of the API, submit, poll and download, and what its answers say."""
