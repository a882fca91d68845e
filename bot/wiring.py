"""Everything is plugged together here, and nothing is decided."""

import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from slack_bolt import App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_bolt.error import BoltError
from slack_sdk import WebClient

from bot.engine import Engine
from bot.scheduler import Scheduler
from bot.settings import Config, Environment
from bot.world import RealWorld
from handlers import actions, commands
from handlers.directory import SlackDirectory
from handlers.guard import Guard
from handlers.outbox import Delivery
from handlers.replies import Replies
from handlers.slack_errors import calling
from services.adapters.kubernetes_watch import ServiceWatch
from services.adapters.store import SqlStore, open_store
from services.errors import ServiceError, Transient
from services.planner import Planner
from services.reconciler import Reconciler
from services.requests import Requests
from services.steps.certificate import CertificateStep
from services.steps.dns_record import DnsRecordStep
from services.steps.load_balancer import LoadBalancerStep
from services.steps.probe import ProbeStep
from services.steps.step import Step
from services.steps.validation import ValidationStep
from services.zone_finder import ZoneFinder

log = structlog.get_logger()

#: What came in is kept this long after it was dealt with, so that a late redelivery is still recognised.
INBOX_MEMORY = timedelta(days=7)
PING_SECONDS = 3.0


def now() -> datetime:
    """The clock of the process."""
    return datetime.now(UTC)


def new_id() -> str:
    """An id nobody can guess, of lower-case letters and digits."""
    return secrets.token_hex(8)


def ladder(world: RealWorld) -> list[Step]:
    """The rungs, from the ground up."""
    finder = ZoneFinder(world, now)
    return [
        CertificateStep(world),
        ValidationStep(world, finder),
        LoadBalancerStep(world),
        DnsRecordStep(world, finder),
        ProbeStep(world),
    ]


@dataclass
class Bot:
    """All parts of a running process."""

    store: SqlStore
    world: RealWorld
    engine: Engine
    scheduler: Scheduler
    guard: Guard
    delivery: Delivery
    slack: SocketModeHandler
    watches: list[ServiceWatch]

    def start(self) -> None:
        """Start every part that needs no Slack. Work that an earlier process left goes on at once."""
        woken = self.store.restart(now())
        threading.Thread(target=self._check_credentials, name="credentials", daemon=True).start()
        taken_up = self.guard.take_up()
        self.scheduler.start()
        for watch in self.watches:
            watch.start()
        log.info("working", open_requests=woken, taken_up=taken_up, clusters=list(self.world.clusters))

    def connect(self) -> None:
        """Let people in. From then on the socket reconnects by itself. Raises Transient, or Permanent with Slack's
        code."""
        with calling("apps.connections.open"):
            self.slack.connect()  # type: ignore[no-untyped-call]
        log.info("started")

    def stop(self) -> None:
        """Take nothing new in, finish what is under way."""
        _hang_up(self.slack)
        self.guard.stop()
        for watch in self.watches:
            watch.stop()
        self.delivery.stop()
        self.scheduler.stop()
        self.engine.stop()
        self.store.close()
        log.info("stopped")

    def ready(self) -> bool:
        """Whether people can reach it."""
        return bool(self.slack.client.is_connected())

    def _check_credentials(self) -> None:
        """Say at start what would otherwise be found out by the first request; requests say it again in Slack."""
        try:
            log.info("aws credentials", account=self.world.account())
        except ServiceError as error:
            log.error("aws credentials missing", why=error.sentence, hint=error.hint)
        for cluster in self.world.clusters:
            try:
                self.world.kubernetes(cluster).namespaces()
                log.info("kubernetes reachable", cluster=cluster)
            except ServiceError as error:
                log.error("kubernetes not usable", cluster=cluster, why=error.sentence, hint=error.hint)


def slack_app(environment: Environment) -> App:
    """Slack, once it takes the bot token. Raises Transient, or Permanent with Slack's code."""
    client = WebClient(
        token=environment.slack_bot_token.get_secret_value(),
        base_url=environment.slack_api_url,
        timeout=10,
        retry_handlers=[],  # the SDK's own would post twice where only the answer was lost
    )
    with calling("auth.test"):
        client.auth_test()
    try:
        return App(client=client, signing_secret=environment.slack_signing_secret.get_secret_value() or None)
    except BoltError as error:  # it asks auth.test again, and hides what came of it
        raise Transient("Slack stopped to answer.", code="unreachable") from error


def build(app: App, environment: Environment, config: Config) -> Bot:
    """Make the process from its settings. Raises ServiceError if the database cannot be used."""
    client = app.client
    world = RealWorld(environment, config, now)
    directory = SlackDirectory(client, now)
    store = open_store(environment.nlbtls_database_url, now)
    steps = ladder(world)
    changing = steps[:-1]  # the probe changes nothing, so a plan does not speak of it
    planner = Planner(world, changing, config.as_policy(), directory, config.tls_policy, now)
    reconciler = Reconciler(store, planner, steps, world, now, new_id, lambda group: engine.submit(group))
    engine = Engine(reconciler.reconcile, lambda: scheduler.deliver_soon())
    requests = Requests(store, planner, world, now, new_id, engine.submit)
    replies = Replies(client)
    delivery = Delivery(store.outbox, store, client, directory, replies, now, requests.undeliverable)
    scheduler = Scheduler(
        sweep=lambda: _sweep(store, engine),
        deliver=delivery.deliver,
        tidy=lambda: _tidy(store),
    )
    guard = Guard(store.inbox, replies, now, new_id, scheduler.deliver_soon)
    app.middleware(guard.middleware)
    commands.register(app, guard, commands.Commands(requests, replies, delivery.permalink, now))
    actions.register(app, guard, actions.Actions(requests, store, replies, delivery.group_names))
    # After a close without a word the SDK looks for a new connection at its next ping.
    slack = SocketModeHandler(app, environment.slack_app_token.get_secret_value(), ping_interval=PING_SECONDS)
    return Bot(store, world, engine, scheduler, guard, delivery, slack, _watches(world, store, engine.submit))


def _hang_up(handler: SocketModeHandler) -> None:
    """Close the socket at once. The SDK's close() first stops to listen and then waits, for up to three seconds, until
    its receive times out; what Slack sends meanwhile would never be acknowledged."""
    client = handler.client
    client.auto_reconnect_enabled = False
    session = client.current_session
    if session is not None and session.sock is not None:
        with suppress(OSError):  # closed by the other side
            socket.socket.shutdown(session.sock, socket.SHUT_RDWR)  # of TLS too, whatever its state
    handler.close()  # type: ignore[no-untyped-call]


def _sweep(store: SqlStore, engine: Engine) -> None:
    for group in store.due_groups(now()):
        engine.submit(group)


def _tidy(store: SqlStore) -> None:
    forgotten = store.inbox.forget(now() - INBOX_MEMORY)
    log.info("tidied", inbox=forgotten)


def _watches(world: RealWorld, store: SqlStore, submit: Callable[[str], None]) -> list[ServiceWatch]:
    """One watch per cluster: a Service that changed wakes the request that waits for it."""

    def on_change(namespace: str, name: str) -> None:
        ids = [
            r.id
            for r in store.requests(open_only=True, limit=1000)
            if r.spec and (r.spec.namespace, r.spec.service_name) == (namespace, name)
        ]
        if ids:
            store.wake(ids, now())
            for group in store.due_groups(now()):
                submit(group)

    watches = []
    for cluster in world.clusters:
        try:
            watches.append(ServiceWatch(world.connected(cluster), world.installation, on_change))
        except ServiceError as error:
            log.error("no watch", cluster=cluster, why=error.sentence)
    return watches
