"""Attention modules, one per file, with their base class and their registry.

networks/ decides where in a backbone they are attached. May import from utils and core.
"""
