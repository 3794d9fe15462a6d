"""Benchmarks as commands: each measures, returns a frame, and is no test."""
