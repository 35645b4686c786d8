"""A super-server for the servers that have none of their own: ``inetd.py PORT PROGRAM ARGUMENT...``."""

import os
import signal
import socket
import sys


def main(port: int, command: list[str]) -> None:
    """Run the command for every connection, its standard input and output the connection."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.create_server(("127.0.0.1", port), backlog=100) as listener:
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for descriptor in (0, 1):
                    os.dup2(connection.fileno(), descriptor)
                os.execv(command[0], command)
            connection.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
