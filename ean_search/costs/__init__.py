"""What placements cost: parameters, FLOPs, latency, and the table that adds them up.

Accuracy is the business of evaluation/. May import from networks/ and what networks/ may import.
"""
