"""Kill the bot many times, and compare the records of the emulators with the promises.

python -m tests.crash --help
"""
