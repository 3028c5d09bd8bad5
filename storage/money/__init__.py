"""Money: the ledger, caps on orders, and payments in Telegram Stars.

It must not know who shows the sums or how Telegram moves Stars.
"""
