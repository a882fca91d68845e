"""`python -m bot run`: start the bot from the environment alone (design §9)."""

import argparse
import signal
import sys
import threading

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from bot import http, logging, wiring
from bot.settings import Config, Environment, SettingsError, load_config, load_environment
from services.errors import ServiceError

log = structlog.get_logger()

#: Slack's word that trying again will not help.
_FATAL = frozenset({"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"})


def main() -> int:
    """Parse the command line and run. 2: the settings cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m bot", description=__doc__)
    parser.add_argument("command", choices=["run", "check"], help="run the bot, or only check its settings")
    arguments = parser.parse_args()
    try:
        environment = load_environment()
        config = load_config(environment.nlbtls_config)
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
    bot = _built(environment, config, done)
    if bot is None:
        return 0 if done.is_set() else 1
    server = None
    try:
        if environment.nlbtls_http_address:
            server = http.serve(environment.nlbtls_http_address, bot.ready)
        bot.start()
        done.wait()
    finally:
        if server:
            server.shutdown()
        bot.stop()
    return 0


def _built(environment: Environment, config: Config, done: threading.Event) -> wiring.Bot | None:
    """The bot, as soon as Slack answers; None if it never will."""
    pause = 1.0
    while not done.is_set():
        try:
            return wiring.build(environment, config)
        except ServiceError as error:
            log.error("cannot start", why=error.sentence, hint=error.hint)
            return None
        except SlackApiError as error:
            code = error.response.get("error", "") if isinstance(error.response.data, dict) else ""
            if code in _FATAL:
                log.error("slack does not accept the bot token", code=code, hint="Check SLACK_BOT_TOKEN.")
                return None
            log.warning("slack does not answer yet", code=code, again_in=pause)
        except (SlackClientError, OSError) as error:
            log.warning("slack cannot be reached", why=type(error).__name__, again_in=pause)
        done.wait(pause)
        pause = min(pause * 2, 60.0)
    return None


if __name__ == "__main__":
    sys.exit(main())
