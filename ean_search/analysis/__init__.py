"""What runs found: run folders, frames, figures, reports and dashboards. No torch.

Computes from files only; evaluates and trains nothing. May import from utils, core, costs and
search.
"""
