"""How accurate placements are: with shared weights, as prefix trees, racing, or trained alone.

Which placements are evaluated is decided in search/. May import from training/, costs/, and from
what they may import.
"""
