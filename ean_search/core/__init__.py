"""Values: spaces, placements, trials, objectives and Pareto fronts. No networks, files or torch.

May import from utils.
"""
