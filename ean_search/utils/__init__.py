"""Helpers that know nothing of attention or search: errors, registries, files, devices, seeds.

Imports nothing else of the package, and torch only inside functions.
"""
