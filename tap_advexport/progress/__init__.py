"""What a person is told while a run goes on."""
