"""The Singer face: streams, messages and catalog, upon the SDK."""
