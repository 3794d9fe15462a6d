"""Where in a block attention can go: one position a file, and the modules that wrap blocks.

May import from utils, core and attention.
"""
