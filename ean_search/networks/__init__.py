"""Backbones and the sites where attention can go: found, built, placed and pruned.

Training them is the business of training/. May import from utils, core, data and attention.
"""
