"""The same search on many workers: evaluation and training under Ray."""
