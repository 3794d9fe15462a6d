"""The search: its loop, its trial log, searchers, and tables on which to compare searchers.

It does not depend on networks: evaluators come from evaluation/ or distributed/. May import from
utils and core, and no torch.
"""
