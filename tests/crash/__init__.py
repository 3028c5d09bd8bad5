"""The bot is killed again and again, and what the world saw of it is held to the promises.

python -m tests.crash --help
"""
