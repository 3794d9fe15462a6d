"""The search: its loop, trial log, searchers, and tables to try searchers on. Knows no networks.

Evaluators come from evaluation/ or distributed/. May import from utils and core, and no torch.
"""
