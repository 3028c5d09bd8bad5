"""Kill the bot many times, and compare what others saw with the promises.

python -m tests.crash --help
"""
