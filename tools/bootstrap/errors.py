"""Say in one line what is missing on this machine and which command cures it."""


class BootstrapError(Exception):
    """Something that a person has to provide is missing; the message says how to fix it."""
