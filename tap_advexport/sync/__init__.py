"""One run of one report, from its plan to its last bookmark, for any destination."""
