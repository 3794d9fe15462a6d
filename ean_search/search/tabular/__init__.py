"""Tables of the accuracies of all placements of a space, on which to compare searchers.

`ean-search bench table` makes them. May import from utils and core.
"""
