"""How well one mask covers another, how far their borders lie apart, and what readers agree on."""
