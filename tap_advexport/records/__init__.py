"""Converts CSV files to verified, typed rows with their keys, totals and versions."""
