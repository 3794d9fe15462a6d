"""Other tasks for a retrained network as the backbone: detection, segmentation, other classes.

May import from retrain/ and the folders that retrain/ may import from.
"""
