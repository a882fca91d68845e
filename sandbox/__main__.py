"""`python -m sandbox`: run the sandbox, act in it as a person, break it on purpose. Run with --help for all of it.

What boots the stand-ins is imported only where that is asked for: it takes seconds, and the other commands are typed
by people who wait.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox import acting, control
from sandbox.delays import Delays
from sandbox.slack.person import NotPossibleError
from sandbox.slots import NoSlotError

if TYPE_CHECKING:
    from sandbox.world import World

DIRECTORY = Path(".sandbox")


def main() -> int:
    """Parse the command line and do it. 2: it cannot be done; the sentence is on stderr."""
    arguments = _parser().parse_args()
    try:
        return int(arguments.do(arguments))
    except (control.NotRunningError, control.RefusedError, NoSlotError, NotPossibleError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--no-bot", action="store_true", help="start the stand-ins only, for a bot of your own")
    parser.add_argument("--env-file", type=Path, help="write the environment there as KEY=value lines")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply all delays (0: immediate)")
    parser.add_argument("--delay", action="append", default=[], metavar="NAME=SECONDS",
                        help=f"set one delay: {', '.join(f.name for f in fields(Delays))}")  # fmt: skip
    parser.add_argument("--rate-limits", action="store_true", help="let Slack enforce its rate limits")
    parser.add_argument("--call-log", type=Path, help="append every AWS call there as a JSON line")
    parser.set_defaults(do=_run)
    commands = parser.add_subparsers(title="commands", metavar="")
    demo = commands.add_parser("demo", help="tell the story of one create in each zone")
    demo.add_argument("--play", choices=["once", "on"], default="on", help="once: end after the two verdicts")
    demo.set_defaults(do=_demo)
    person = commands.add_parser("as", help='act as requester, oncall or outsider: as requester "/nlbtls help"')
    person.add_argument("name")
    person.add_argument("what", nargs="+", help="a line to type, or: click LABEL | choose LABEL VALUE | look")
    person.add_argument("--channel", default="#platform")
    person.set_defaults(do=_as)
    commands.add_parser("faults", help="list the faults, a name a line").set_defaults(do=_faults)
    fault = commands.add_parser("fault", help="switch a fault of the running sandbox")
    fault.add_argument("name")
    fault.add_argument("switch", choices=["on", "off"])
    fault.set_defaults(do=_fault)
    dns = commands.add_parser("dns", help="act as the owner of the DNS held elsewhere")
    dns.add_argument("verb", choices=["add", "remove"])
    dns.add_argument("name")
    dns.add_argument("type")
    dns.add_argument("value", nargs="?")
    dns.set_defaults(do=_dns)
    return parser


def _delays(arguments: argparse.Namespace) -> Delays:
    chosen = Delays().scaled(arguments.scale)
    for part in arguments.delay:
        name, _, seconds = part.partition("=")
        if name not in {f.name for f in fields(Delays)}:
            raise ValueError(f"There is no delay {name!r}. Known: {', '.join(f.name for f in fields(Delays))}.")
        chosen = replace(chosen, **{name: float(seconds)})
    return chosen


def _world(arguments: argparse.Namespace) -> "World":
    from sandbox.world import World

    _remove_old_runs()
    directory = (DIRECTORY / f"run-{os.getpid()}").absolute()
    log = arguments.call_log.absolute() if arguments.call_log else None
    return World(directory, _delays(arguments), call_log=log, rate_limits=arguments.rate_limits)


def _remove_old_runs() -> None:
    """Files of sandboxes whose process is gone; the last one's stay until the next start, to be read."""
    for old in DIRECTORY.glob("run-*"):
        try:
            os.kill(int(old.name.removeprefix("run-")), 0)
        except (ProcessLookupError, ValueError):
            shutil.rmtree(old, ignore_errors=True)
        except PermissionError:
            continue


def _run(arguments: argparse.Namespace) -> int:
    """Until SIGINT or SIGTERM; with a bot unless told otherwise."""
    from sandbox.story import welcome

    done = _signals()
    world = _world(arguments)
    bot: subprocess.Popen[bytes] | None = None
    try:
        world.start()
        if not arguments.no_bot:
            bot = start_bot(world)
        control.say_where(DIRECTORY, world.environment[control.URL_VARIABLE])
        if arguments.env_file:
            world.write_env_file(arguments.env_file)
        print(welcome(world, with_bot=bot is not None), flush=True)
        while not done.wait(1.0):
            if bot and bot.poll() is not None:
                print(f"The bot ended with {bot.returncode}; see {world.directory / 'bot.log'}.", file=sys.stderr)
                return 1
    finally:
        end_bot(bot)
        control.forget_where(DIRECTORY)
        world.stop()
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    """The story; then stay up to be used, unless it plays once."""
    from sandbox.story import tell, welcome

    done = _signals()
    world = _world(arguments)
    bot: subprocess.Popen[bytes] | None = None
    try:
        world.start()
        bot = start_bot(world)
        control.say_where(DIRECTORY, world.environment[control.URL_VARIABLE])
        if arguments.env_file:
            world.write_env_file(arguments.env_file)
        proven = tell(world, done)
        if arguments.play == "once" or done.is_set():
            return 0 if proven else 1
        print(welcome(world, with_bot=True), flush=True)
        done.wait()
    finally:
        end_bot(bot)
        control.forget_where(DIRECTORY)
        world.stop()
    return 0


def start_bot(world: "World") -> subprocess.Popen[bytes]:
    """The real bot, in a process of its own, with nothing but the environment."""
    with (world.directory / "bot.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "bot", "run"], env=world.bot_environment(), stdout=log, stderr=log
        )


def end_bot(bot: subprocess.Popen[bytes] | None) -> None:
    """Ask it to end; after ten seconds it must."""
    if bot is None or bot.poll() is not None:
        return
    bot.terminate()
    try:
        bot.wait(10)
    except subprocess.TimeoutExpired:
        bot.kill()
        bot.wait()


def _signals() -> threading.Event:
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: done.set())
    return done


def _as(arguments: argparse.Namespace) -> int:
    slack = control.call(DIRECTORY, "where")["slack"]
    print(acting.act(slack, arguments.name, arguments.what, arguments.channel))
    return 0


def _faults(_: argparse.Namespace) -> int:
    from sandbox.faults import Faults
    from sandbox.world import DECLARED

    for name, sentence in sorted(Faults(DECLARED).known.items()):
        print(name if not sys.stdout.isatty() else f"{name:32} {sentence}")
    return 0


def _fault(arguments: argparse.Namespace) -> int:
    control.call(DIRECTORY, "fault", name=arguments.name, on=arguments.switch == "on")
    return 0


def _dns(arguments: argparse.Namespace) -> int:
    if arguments.verb == "add" and not arguments.value:
        raise ValueError("Say the value: python -m sandbox dns add NAME TYPE VALUE")
    control.call(
        DIRECTORY, f"dns-{arguments.verb}", name=arguments.name, type=arguments.type.upper(), value=arguments.value
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
