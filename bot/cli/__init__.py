"""Commands of the terminal in addition to running the bot.

They contain no rules: storage and the clients do the work.
"""
