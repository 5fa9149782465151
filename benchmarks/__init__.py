"""What the tap is measured with."""
