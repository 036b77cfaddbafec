"""How much a model loses when its images are corrupted."""
