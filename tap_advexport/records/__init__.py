"""CSV file -> verified, typed rows with their keys, totals and versions."""
