"""Helpers that do not depend on attention or search: errors, registries, files, devices, seeds.

May import nothing else of the package, and torch only inside functions.
"""
