"""What a decision is worth, and what work it makes."""
