"""Functions for the operator: alerts, broadcasts, metrics, price checks.

It must not know handlers or the worker.
"""
