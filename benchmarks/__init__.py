"""Ours and a peer in one process, several runs, medians: ratios, never timed tests."""
