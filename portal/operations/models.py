"""No rows of its own: migrations report their end only to apps that have such a module."""
