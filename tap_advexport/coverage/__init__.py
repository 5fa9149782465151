"""The pure core of the state: which days are exported, settled and due."""
