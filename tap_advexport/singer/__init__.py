"""The Singer side of the tap: streams, messages and catalog, built on the SDK."""
