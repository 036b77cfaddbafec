"""How often planted shortcuts are found, and how often their clean twins are flagged."""
