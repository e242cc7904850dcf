"""Serial consoles behind a TCP port, as ser2net and console servers offer them: raw, or telnet with RFC 2217."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from kdeploy_gui import defaults
from kdeploy_gui.environments.console_stream import CHUNK, LastWords, lost
from kdeploy_gui.environments.telnet import Telnet
from kdeploy_gui.errors import NetworkError
from kdeploy_gui.model.environment import ConsoleProtocol, Environment


class TcpConsoles:
    """The `Consoles` port for `tcp` of [environment.console]."""

    async def open(self, environment: Environment) -> TcpConsole:
        """See `Consoles.open`."""
        console = environment.console
        host, _, port = console.tcp.rpartition(":")
        try:
            async with asyncio.timeout(defaults.CONNECT_TIMEOUT):
                reader, writer = await asyncio.open_connection(host.strip("[]"), int(port), limit=CHUNK)
        except OSError as error:  # TimeoutError is one
            reason = error.strerror or f"no answer within {defaults.CONNECT_TIMEOUT:g} s"
            message = f"the console of {environment.name} at {console.tcp} cannot be reached: {reason}"
            raise NetworkError("E-CONSOLE-TCP", message, on_target="Unchanged.", address=console.tcp) from error
        telnet = Telnet(com_port=True) if console.protocol is ConsoleProtocol.RFC2217 else None
        if telnet is not None:
            writer.write(telnet.opening())
        return TcpConsole(reader, writer, telnet, console.words)


class TcpConsole:
    """The `ConsoleStream` port on a connection; `telnet` None: its bytes are those of the port."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, telnet: Telnet | None, words: str
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._telnet = telnet
        self._words = words
        self._last_words = LastWords()
        self.ended = ""

    @property
    def way(self) -> str:
        """See `ConsoleStream.way`."""
        return self._words

    async def read(self) -> bytes:
        """See `ConsoleStream.read`."""
        while not self.ended:
            try:
                data = await self._reader.read(CHUNK)
            except OSError as error:
                self._end(f"the connection broke: {error.strerror or error}")
                break
            if not data:
                self._end(self._last_words.with_reason("the server closed the connection"))
                break
            if self._telnet is not None:
                data, answer = self._telnet.receive(data)
                self._writer.write(answer)
            if data:
                self._last_words.hear(data)
                return data
        return b""

    async def write(self, data: bytes) -> None:
        """See `ConsoleStream.write`."""
        if self.ended:
            raise lost(self.ended)
        try:
            self._writer.write(self._telnet.send(data) if self._telnet is not None else data)
            await self._writer.drain()
        except OSError as error:
            self._end(f"the connection broke: {error.strerror or error}")
            raise lost(self.ended) from error

    async def close(self) -> None:
        """See `ConsoleStream.close`."""
        self._end("closed here")

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        with suppress(RuntimeError):  # the loop has closed it already
            self._writer.transport.abort()
