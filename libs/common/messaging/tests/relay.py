"""Stand between a client and a real server, to be slow, to fall silent or to cut connections as networks do."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

_CHUNK = 1 << 16


class Relay:
    """A TCP relay on a free port of this machine; `port` is where clients connect.

    Each piece of data (64 kB at most) takes `delay` seconds, in either direction.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        """Listen; `run` serves."""
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flows = threading.Event()
        self._flows.set()
        self._open: list[socket.socket] = []
        self._refuses = False
        self.delay = 0.0
        self.accepted = 0
        self.refused = 0

    def freeze(self) -> None:
        """Fall silent: connections stay open, new ones are accepted, no byte passes."""
        self._flows.clear()

    def thaw(self) -> None:
        """Let the bytes pass again, those held back too."""
        self._flows.set()

    def refuse(self) -> None:
        """Close every new connection at once."""
        self._refuses = True

    def accept(self) -> None:
        """Let new connections in again."""
        self._refuses = False

    def cut(self) -> None:
        """Close every connection; new ones are welcome."""
        while self._open:
            end = self._open.pop()
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        """Stop listening and close everything."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.thaw()
        self.cut()

    def serve(self) -> None:
        """Accept connections until closed."""
        while True:
            try:
                client, _ = self._listener.accept()
                if self._refuses:
                    self.refused += 1
                    client.close()
                    continue
                server = socket.create_connection(self._target)
            except OSError:
                return
            self.accepted += 1
            self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flows.wait()
                time.sleep(self.delay)
                sink.sendall(data)
        # Also after a reset, as when a server ends with bytes unread: the other end must hear of it.
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def relay_to(host: str, port: int) -> Iterator[Relay]:
    """Relay connections to a server for as long as the block runs."""
    relay = Relay((host, port))
    thread = threading.Thread(target=relay.serve, daemon=True)
    thread.start()
    try:
        yield relay
    finally:
        relay.close()
        thread.join(5)
