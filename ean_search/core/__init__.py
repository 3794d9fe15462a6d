"""Values: spaces, placements, trials, objectives and Pareto fronts; no networks, no torch.

May import from utils.
"""
