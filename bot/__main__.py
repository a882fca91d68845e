"""`python -m bot run`: start the bot from the environment alone (design §9)."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TypeVar

import structlog

from bot import http, logging, wiring
from bot.settings import Config, Environment, SettingsError, load
from handlers.slack_errors import BAD_TOKEN
from services.errors import Permanent, ServiceError

log = structlog.get_logger()

T = TypeVar("T")
_LONGEST_PAUSE = 30.0  #: seconds between two tries to reach Slack


class _CannotStartError(Exception):
    """Told already; trying again would not help."""


def main() -> int:
    """Parse the command line and run. 2: the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    parser.add_argument("command", choices=["run", "check"], help="run the bot, or only check its settings")
    arguments = parser.parse_args()
    try:
        environment, config = load()
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - there is no log yet
        return 2
    logging.configure(environment.nlbtls_log_level)
    if arguments.command == "check":
        log.info("settings are in order", clusters=[c.name for c in config.clusters], rules=len(config.policy))
        return 0
    return run(environment, config)


def run(environment: Environment, config: Config) -> int:
    """Run until SIGTERM or SIGINT. 1: it cannot start."""
    done = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: done.set())
    try:
        with ExitStack() as ending:
            _run(environment, config, done, ending)
    except _CannotStartError:
        return 1
    return 0


def _run(environment: Environment, config: Config, done: threading.Event, ending: ExitStack) -> None:
    ready: list[Callable[[], bool]] = []
    if environment.nlbtls_http_address:
        _serve(environment.nlbtls_http_address, lambda: all(part() for part in ready) if ready else False, ending)
    app = _patiently(lambda: wiring.slack_app(environment), done, "SLACK_BOT_TOKEN")
    if app is None:
        return
    try:
        bot = wiring.build(app, environment, config)
        ending.callback(bot.stop)
        bot.start()
    except ServiceError as error:
        log.error("cannot start", why=error.sentence, hint=error.hint)
        raise _CannotStartError from error
    ready.append(bot.ready)
    _patiently(bot.connect, done, "SLACK_APP_TOKEN")
    done.wait()


def _serve(address: tuple[str, int], ready: Callable[[], bool], ending: ExitStack) -> None:
    try:
        server = http.serve(address, ready)
    except OSError as error:
        log.error("cannot serve NLBTLS_HTTP_ADDRESS", host=address[0], port=address[1], why=error.strerror)
        raise _CannotStartError from error
    ending.callback(server.server_close)
    ending.callback(server.shutdown)


def _patiently(attempt: Callable[[], T], done: threading.Event, token: str) -> T | None:
    """What Slack answers, as soon as it does; None if we are asked to stop before."""
    pause = 1.0
    while not done.is_set():
        try:
            return _interruptibly(attempt, done)
        except Permanent as error:
            if error.code in BAD_TOKEN:
                log.error(f"slack does not accept {token}", why=error.sentence, hint=f"Check {token}.")
                raise _CannotStartError from error
            log.warning("slack refuses", why=error.sentence, again_in=pause)
        except ServiceError as error:
            log.warning("slack does not answer yet", why=error.sentence, code=error.code, again_in=pause)
        done.wait(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return None


def _interruptibly(attempt: Callable[[], T], done: threading.Event) -> T | None:
    """A connection that hangs must not keep the process from ending."""
    future: Future[T] = Future()

    def work() -> None:
        try:
            future.set_result(attempt())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            future.set_exception(error)

    thread = threading.Thread(target=work, name="slack", daemon=True)
    thread.start()
    while thread.is_alive() and not done.is_set():
        thread.join(0.1)
    return future.result() if future.done() else None


if __name__ == "__main__":
    sys.exit(main())
