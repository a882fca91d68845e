"""The slash command: parse, one call into services, reply."""

from collections.abc import Callable

from slack_bolt import Ack, App, BoltContext

from handlers import grammar
from handlers.guard import Guard
from handlers.messages import replies as words
from handlers.messages.blocks import Message
from handlers.replies import Replies
from services.errors import Refused
from services.ports import Clock
from services.requests import Order, Requests
from services.storage import HostnameTaken, InboxItem

Permalink = Callable[[str], str]  #: request id -> address of its card, or ""


class Commands:
    """Answers /nlbtls. `permalink` finds the card of a request."""

    def __init__(self, requests: Requests, replies: Replies, permalink: Permalink, clock: Clock) -> None:
        self._requests = requests
        self._replies = replies
        self._permalink = permalink
        self._clock = clock

    def handle(self, item: InboxItem) -> None:
        """One command as it came in."""
        command = grammar.parse(item.payload["text"])
        if isinstance(command, grammar.Fault):
            self._replies.reply(item.payload, words.fault(command))
            return
        verbs = {"create": self._create, "status": self._status, "list": self._list, "help": self._help}
        try:
            verbs[command.verb](item, command)
        except Refused as error:
            self._replies.reply(item.payload, self._refused(command, error))

    def _create(self, item: InboxItem, command: grammar.Command) -> None:
        payload = item.payload
        if payload["channel"].startswith("D") or payload["channel_name"] == "directmessage":
            self._replies.reply(payload, words.wrong_place())
            return
        order = Order(
            person=payload["person"],
            channel=payload["channel"],
            hostname=command.hostname,
            options={k: v for k, v in command.options.items() if k != grammar.DRY_RUN},
            dry_run=command.dry_run,
            reply_to=payload["response_url"],
            inbox_key=item.key,
        )
        try:
            self._requests.create(order)
        except HostnameTaken as taken:
            link = self._permalink(taken.request.id)
            self._replies.reply(payload, words.duplicate(taken.request, link))

    @staticmethod
    def _refused(command: grammar.Command, error: Refused) -> Message:
        if error.code == "hostname":  # the hint is the name that was probably meant: show the whole command with it
            return words.fault(grammar.hostname_fault(command, error.sentence, error.hint))
        return words.refused(error.sentence, error.hint)

    def _status(self, item: InboxItem, command: grammar.Command) -> None:
        if not command.hostname:
            self._list(item, command)
            return
        overview = self._requests.overview(command.hostname)
        told = words.status(overview.hostname, overview.endpoint, overview.requests, now=self._clock())
        self._replies.reply(item.payload, told)

    def _list(self, item: InboxItem, command: grammar.Command) -> None:
        page = command.options.get("page", "1")
        if not (page.isascii() and page.isdigit() and int(page) > 0):
            raise Refused(f"{page!r} is not a page: a number from 1 on.")
        listing = self._requests.listing()
        told = words.listing(listing.endpoints, listing.requests, now=self._clock(), page=int(page))
        self._replies.reply(item.payload, told)

    def _help(self, item: InboxItem, command: grammar.Command) -> None:
        self._replies.reply(item.payload, words.help_())


def register(app: App, guard: Guard, commands: Commands) -> None:
    """Plug the slash command into Bolt: acknowledged first, worked on after."""
    guard.register("command", commands.handle)

    @app.command(grammar.COMMAND)
    def on_command(ack: Ack, context: BoltContext) -> None:
        ack()
        guard.accept(context["item"])
