"""How alike several readers, or two methods, answer the same cases."""
