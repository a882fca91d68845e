"""Acting as a person from the command line: type, click, choose, look."""

import time

from sandbox.slack.person import Person, SeenMessage

#: Long enough to see what the bot answers at once; what takes longer is for `look`.
PAUSE = 1.5


def act(slack: str, name: str, what: list[str], channel: str) -> str:
    """Do what the words say; returns what the person saw. Raises NotPossibleError as the person's client would."""
    person = Person(slack, name)
    before = {(m.ts, m.text) for m in person.messages(channel)}
    match what:
        case ["look"]:
            return "\n\n".join(shown(m) for m in person.messages(channel)) or f"{channel} is empty."
        case ["click", label]:
            problem = person.click(None, label, channel).problem
        case ["choose", label, value]:
            problem = person.select(None, label, value, channel).problem
        case [line] if line.startswith("/"):
            result = person.command(channel, line)
            problem = result.problem
            if result.text and not problem:
                print(result.text)
        case _:
            person.say(channel, " ".join(what))
            problem = ""
    if problem:
        return f"Slack says: {problem}"
    time.sleep(PAUSE)
    news = [m for m in person.messages(channel) if (m.ts, m.text) not in before]
    return "\n\n".join(shown(m) for m in news) or "Nothing new yet; look again with: as NAME look"


def shown(message: SeenMessage) -> str:
    """One message as on a terminal, with what can be pressed."""
    where = "  ↳ " if message.thread_ts and message.thread_ts != message.ts else ""
    private = " (only visible to you)" if message.ephemeral else ""
    edited = " (edited)" if message.edited else ""
    head = f"{where}{message.author}{private}{edited}"
    indent = "    " if where else ""
    body = "\n".join(f"{indent}│ {line}" for line in message.text.splitlines())
    buttons = f"\n{indent}│ [{'] ['.join(message.buttons)}]" if message.buttons else ""
    return f"{head}\n{body}{buttons}"
