"""A Singer tap for the Advertiser Report Export API."""
