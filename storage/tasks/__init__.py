"""The task aggregate: drafts, orders, leases, callback actions and history.

It must not know the steps of a worker or the texts for people.
"""
