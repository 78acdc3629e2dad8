"""Templates of Heat."""
