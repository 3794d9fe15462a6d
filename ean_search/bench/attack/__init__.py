"""Attacks on the commands: wrong inputs, kills, full disks, hostile images and pairs of writers.

May import what `bench` may import.
"""
