"""The one inner form of a network: a straight list of allowed operations with its weights."""
