"""Analysis of runs: their folders, frames, figures, reports and dashboards.

Computes from files only: it evaluates and trains nothing, and needs no torch. May import from
utils, core, costs and search.
"""
