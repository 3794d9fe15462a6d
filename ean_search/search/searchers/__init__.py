"""Searchers: the algorithms that propose placements, one per file; their registry and base class.

The loop that runs them is search/loop.py. May import from utils, core and search.
"""
