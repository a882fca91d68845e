"""EC2 over moto: only its networks are of use here."""

from collections.abc import Callable
from typing import Any

from moto.ec2 import urls
from moto.ec2.models import EC2Backend


class NetworkBackend(EC2Backend):  # type: ignore[misc]
    """EC2 without the catalogue of machine images, which nobody here starts and which take most of the start-up."""

    @property
    def url_paths(self) -> dict[str, Callable[..., Any]]:
        return {path.format(""): handler for path, handler in urls.url_paths.items()}

    def _load_amis(self) -> None:
        """Load nothing."""
