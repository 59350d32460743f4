"""Name what can go wrong with the servers of the local stack.

AdspError
└── StackError              the local stack cannot do what was asked
    ├── ServerMissingError  a server's programs are not installed; says how to fix it
    └── ServerFailedError   a server did not start or died; carries the end of its log
"""

from libs.common.errors import AdspError


class StackError(AdspError):
    """Root of the errors of the local stack."""


class ServerMissingError(StackError):
    """The programs of a server are not on this machine."""


class ServerFailedError(StackError):
    """A server did not become ready, or died."""
