"""Evaluation and training by Ray workers, on this machine or a cluster.

What a worker computes is the business of evaluation/ and training/. May import from those, from
search/, and from what they may import.
"""
