"""Attention modules, one a file, their registry and their base class.

Where in a backbone they are attached is the business of networks/. May import from utils and core.
"""
