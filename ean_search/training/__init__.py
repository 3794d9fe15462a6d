"""How networks are trained: recipes, the training loop, and the weight-sharing network.

Which placements are worth it is the business of evaluation/ and search/. May import from networks/
and what networks/ may import.
"""
