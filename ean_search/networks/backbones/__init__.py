"""Backbones that timm does not have, and their registry.

May import from utils and core.
"""
