"""Pure rules: states, catalog, schedule, limits and errors.

It must not know Telegram, HTTP, SQL or the other packages.
"""
