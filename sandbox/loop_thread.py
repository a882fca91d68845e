"""An asyncio loop in a thread of its own, for servers that live beside synchronous code."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)

_ROUNDS = 5  #: of the loop, until transports that were aborted have closed their sockets


class LoopThread:
    """Start it, run coroutines in it from anywhere, stop it."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_note)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)

    def start(self) -> None:
        """Begin to run the loop."""
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 10) -> T:
        """Run a coroutine in the loop and wait for its result, for at most timeout seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def stop(self) -> None:
        """Cancel what still runs, end the loop and its thread."""
        if self._thread.is_alive():
            self.run(_cancel_all())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        self._loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Clients that hang up in the middle of a handshake are ordinary here, and no reason to write to stderr."""
    log.debug("%s: %r", context.get("message"), context.get("exception"))
