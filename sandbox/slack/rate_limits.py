"""How often a method may be called, and when to come back. Figures: chatops.md §3 (tiers per minute and workspace)."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil


@dataclass(frozen=True)
class Limit:
    """At most `calls` in any `seconds`; per channel if it says so, else per workspace."""

    calls: int
    seconds: float = 60.0
    per_channel: bool = False


TIER_2, TIER_3, TIER_4 = Limit(20), Limit(50), Limit(100)

#: One message a second and channel with short bursts, and a cap per workspace ("several hundred a minute").
POSTING = (Limit(5, 5.0, per_channel=True), Limit(300))

LIMITS: dict[str, tuple[Limit, ...]] = {
    "chat.postMessage": POSTING,
    "chat.update": (TIER_3,),
    "chat.delete": (TIER_3,),
    "reactions.add": (TIER_3,),
    "chat.postEphemeral": (TIER_4,),
    "views.open": (TIER_4,),
    "views.update": (TIER_4,),
    "views.push": (TIER_4,),
    "views.publish": (TIER_4,),
    "files.getUploadURLExternal": (TIER_4,),
    "files.completeUploadExternal": (TIER_4,),
    "usergroups.list": (TIER_2,),
    "usergroups.users.list": (TIER_2,),
    "users.list": (TIER_2,),
    "users.info": (TIER_4,),
    "users.lookupByEmail": (TIER_3,),
    "conversations.members": (TIER_4,),
    "conversations.info": (TIER_3,),
    "conversations.open": (TIER_3,),
    "conversations.list": (TIER_2,),
    "conversations.replies": (TIER_3,),
    "conversations.history": (TIER_3,),
    "apps.connections.open": (TIER_3,),
}


class RateLimiter:
    """Counts calls in sliding windows. A refused call is not counted."""

    def __init__(self, clock: Callable[[], float], limits: dict[str, tuple[Limit, ...]] | None = None) -> None:
        self._clock = clock
        self._limits = LIMITS if limits is None else limits
        self._calls: dict[tuple[str, Limit, str], deque[float]] = defaultdict(deque)

    def retry_after(self, method: str, channel: str) -> int:
        """Whole seconds until the call would pass; 0 if it passes now, and then it counts."""
        now = self._clock()
        windows = []
        for limit in self._limits.get(method, ()):
            window = self._calls[method, limit, channel if limit.per_channel else ""]
            while window and window[0] <= now - limit.seconds:
                window.popleft()
            if len(window) >= limit.calls:
                return max(1, ceil(window[0] + limit.seconds - now))
            windows.append(window)
        for window in windows:
            window.append(now)
        return 0
