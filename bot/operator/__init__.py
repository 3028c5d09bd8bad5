"""What the operator sees and does: alerts, broadcasts, metrics, price checks.

It must not know handlers or the worker.
"""
