"""The task aggregate: drafts, orders, leases, callback actions and history.

It must not know what a step does or what a person reads.
"""
