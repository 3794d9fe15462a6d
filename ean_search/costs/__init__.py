"""What placements cost: parameters, FLOPs, latency, and the table that adds them up.

Accuracy belongs to evaluation/. Imports from networks/ and the folders that networks/ may import
from.
"""
