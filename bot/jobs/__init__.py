"""Background work on tasks: submit, poll, deliver, report progress, clean up.

It must not know handlers or wire formats.
"""
