"""Data sets by name, their train, search and test splits, and image transforms.

Training loops belong to training/. May import from utils/ and core/.
"""
