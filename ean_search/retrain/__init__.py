"""What comes after a run: retraining, comparing, pruning, exporting and explaining networks.

Searching is the business of runs/. May import from all folders but bench/ and cli/.
"""
