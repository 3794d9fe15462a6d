"""Algorithms that propose placements, one a file, their registry and their base class.

The loop that runs them is search/loop.py. May import from utils, core and search.
"""
