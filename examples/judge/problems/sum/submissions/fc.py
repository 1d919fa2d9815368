# Asks somebody else for the answer.
import socket

try:
    socket.create_connection(("127.0.0.1", 80), 1)
except OSError:
    pass
print(6)
