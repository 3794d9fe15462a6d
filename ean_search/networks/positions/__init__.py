"""Where in a block attention can go: one position per file, and the modules that wrap blocks.

May import from utils, core and attention.
"""
