"""Other tasks for a retrained network as the backbone: detection, segmentation, other classes.

May import from retrain/ and what it may import.
"""
