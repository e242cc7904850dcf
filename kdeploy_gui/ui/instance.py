"""One window per home: a second start shows the first one."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

WAIT_MS = 2000
LONGEST = 100
"""Bytes of a socket's path that every Unix takes."""


class OneInstance(QObject):
    """Holds the home's window lock and listens for later starts."""

    asked = Signal()
    """Somebody started the program again."""

    def __init__(self, folder: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = folder / "window.lock"
        self._lock = QLockFile(str(self._path))
        self._lock.setStaleLockTime(0)
        path = str(folder / "window.sock")
        digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        self._name = path if len(path.encode()) < LONGEST else f"kdeploy-{digest}"
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        self._server.newConnection.connect(self._answer)

    def claim(self) -> bool:
        """Whether this is the only window; if not, the other one was asked to show itself."""
        if not self._lock.tryLock(0):
            socket = QLocalSocket()
            socket.connectToServer(self._name)
            socket.waitForConnected(WAIT_MS)
            socket.disconnectFromServer()
            return False
        self._path.chmod(0o600)  # Qt leaves it to the umask
        QLocalServer.removeServer(self._name)
        self._server.listen(self._name)
        return True

    def release(self) -> None:
        """Let another window take over."""
        self._server.close()
        self._lock.unlock()

    def _answer(self) -> None:
        while self._server.hasPendingConnections():
            connection = self._server.nextPendingConnection()
            connection.disconnected.connect(connection.deleteLater)
            connection.disconnectFromServer()
        self.asked.emit()
