"""Models behind an address: which addresses may be called, and how they are asked."""
