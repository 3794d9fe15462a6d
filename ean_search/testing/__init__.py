"""Contracts for authors of plug-ins, as checks: `check_attention` and `check_searcher`.

The package's own tests live in tests/. May import from utils, core, attention, networks and search.
"""
