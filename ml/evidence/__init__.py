"""What the passes saw, and how it is kept."""
