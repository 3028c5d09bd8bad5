"""Commands of the terminal besides running the bot.

They decide nothing: storage and the clients do the work.
"""
