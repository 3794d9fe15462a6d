"""The measurements behind `ean-search bench`: each returns a frame, and none is a test.

May import from all folders but cli/.
"""
