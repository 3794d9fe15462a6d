"""Checks for authors of plug-ins: `check_attention`, `check_searcher`, and a toy search problem.

The package's own tests are in tests/. May import from utils, core, attention, networks and search.
"""
