"""How networks are trained: recipes, the training loop, and the weight-sharing network.

The comparison of placements belongs to evaluation/ and search/. Imports from networks/ and the
folders that networks/ may import from.
"""
