"""Who may do what: users with bearer tokens, roles, and the answer to "may I?"."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.kubernetes.status import ApiError, Object, forbidden

EVERYTHING = "*"


@dataclass(frozen=True)
class Rule:
    """As a rule of a Kubernetes Role; `*` stands for all."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]

    def allows(self, verb: str, group: str, resource: str) -> bool:
        """Whether it grants the verb; a subresource is written `services/status`."""
        return (
            self.group in (EVERYTHING, group)
            and (EVERYTHING in self.resources or resource in self.resources)
            and (EVERYTHING in self.verbs or verb in self.verbs)
        )


Role = tuple[Rule, ...]

ROLES: Mapping[str, Role] = {
    "admin": (Rule(EVERYTHING, (EVERYTHING,), (EVERYTHING,)),),
    "nlbtls": (  # deploy/rbac.yaml, verb by verb: a test holds the two together
        Rule("", ("services",), ("get", "list", "watch", "create", "patch")),
        Rule("", ("namespaces", "events"), ("list",)),
        Rule("discovery.k8s.io", ("endpointslices",), ("list",)),
    ),
    "nobody": (),
}


@dataclass(frozen=True)
class Request:
    """What somebody wants to do."""

    user: str
    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def full_resource(self) -> str:
        """`services` or `services/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource

    def refusal(self) -> ApiError:
        """403 in the API server's words."""
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        why = (
            f'User "{self.user}" cannot {self.verb} resource "{self.full_resource}" in API group "{self.group}" {where}'
        )
        return forbidden(self.resource, self.group, self.name, why)


class Access:
    """The table of users."""

    def __init__(self, roles: Mapping[str, Role]) -> None:
        self._roles = dict(roles)

    def token(self, user: str) -> str:
        """The user's bearer token. Raises KeyError for a user that there is not."""
        _ = self._roles[user]
        return "sandbox-" + hashlib.sha256(user.encode()).hexdigest()[:24]

    def user(self, token: str) -> str | None:
        """Whose token it is."""
        return next((user for user in self._roles if self.token(user) == token), None)

    def allows(self, request: Request) -> bool:
        """Whether the user's role grants it."""
        rules = self._roles.get(request.user, ())
        return any(rule.allows(request.verb, request.group, request.full_resource) for rule in rules)

    def check(self, request: Request) -> None:
        """Raises the 403."""
        if not self.allows(request):
            raise request.refusal()

    def review(self, user: str, spec: Object) -> bool:
        """The answer to a SelfSubjectAccessReview."""
        asked = spec.get("resourceAttributes")
        if asked is None:
            return bool(self._roles.get(user))
        names = ("verb", "group", "resource", "subresource", "namespace", "name")
        return self.allows(Request(user=user, **{name: asked.get(name, "") for name in names}))
