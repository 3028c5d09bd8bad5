"""Deterministic simulation: the whole bot on a virtual clock, its faults drawn from one seed.

python -m tests.simulation --help
"""
