"""Which days are exported, settled and due: the pure core of the state."""
