"""The command line: parsers, commands, tables and progress. The only code that prints.

Computes nothing itself. May import from all folders.
"""
