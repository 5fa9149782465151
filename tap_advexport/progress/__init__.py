"""Shows people the progress of a run."""
