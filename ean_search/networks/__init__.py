"""Backbones and the sites where attention can go: they are found, built, placed and pruned.

training/ trains the networks. May import from utils, core, data and attention.
"""
