"""Tables in which every placement of a space was trained alone, to try searchers on.

`ean-search bench table` makes them. May import from utils and core.
"""
