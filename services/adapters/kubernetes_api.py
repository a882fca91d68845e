"""Requests to one Kubernetes API server.

The client library is used for what it does well: kubeconfig, credentials, TLS, connections. Its typed layer is left out
on purpose: it refuses manifests with fields that it does not know, and answers in which a field is null.
"""

import json
import os
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from yaml import YAMLError

from services.adapters.kubernetes_errors import Body, answered, unusable
from services.adapters.quoting import cut
from services.errors import Permanent, Refused, ServiceError, Transient


class Api:
    """One API server. Every method raises only Transient, Permanent or Refused."""

    def __init__(self, api_client: Any, *, timeout: float = 10.0) -> None:
        self._client = api_client
        self._timeout = timeout

    def get(self, path: str, names: Mapping[str, str], query: Mapping[str, str] | None = None) -> Body | None:
        """GET; None for 404. `names` fill the {braces} of the path."""
        try:
            return self._call("GET", path, names, query or {}, None)
        except Refused as error:
            if error.code == "NotFound":
                return None
            raise

    def apply(self, path: str, names: Mapping[str, str], manifest: Body, manager: str) -> Body:
        """Server-side apply, never forced."""
        return self._call("PATCH", path, names, {"fieldManager": manager, "force": "false"}, manifest)

    def items(self, path: str, names: Mapping[str, str], query: Mapping[str, str]) -> "Listing":
        """Every page of a list."""
        found: list[Body] = []
        following = ""
        while True:
            page = self.get(path, names, {**query, "limit": "500"} | ({"continue": following} if following else {}))
            if page is None:
                raise Refused(f"The cluster does not serve {path}.", code="NotFound")
            found += page.get("items") or ()
            following = page.get("metadata", {}).get("continue", "")
            if not following:
                return Listing(found, str(page.get("metadata", {}).get("resourceVersion", "")))

    def watch(self, path: str, names: Mapping[str, str], query: Mapping[str, str], *, seconds: int) -> "WatchStream":
        """Begin a watch that the server ends after so many seconds."""
        query = {**query, "watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(seconds)}
        with _request(path):
            response = self._send("GET", path, names, query, None, read=seconds + self._timeout)
            if response.status != 200:
                raise answered(response.status, _text(response), response.headers)
        return WatchStream(response.response, path)

    def _call(
        self, method: str, path: str, names: Mapping[str, str], query: Mapping[str, str], body: Body | None
    ) -> Body:
        with _request(path):
            response = self._send(method, path, names, query, body)
            text = _text(response)
            if not 200 <= response.status < 300:
                raise answered(response.status, text, response.headers)
            answer: Body = json.loads(text)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: Mapping[str, str],
        body: Body | None,
        *,
        read: float | None = None,
    ) -> Any:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/apply-patch+yaml"  # JSON is YAML, and the library writes JSON
        request = self._client.param_serialize(
            method, path, dict(names), list(query.items()), headers, body, auth_settings=["BearerToken"]
        )
        return self._client.call_api(*request, _request_timeout=(min(self._timeout, 5.0), read or self._timeout))


class Listing:
    """What a list request found, and the version of the collection that it shows."""

    def __init__(self, items: list[Body], version: str) -> None:
        self.items = items
        self.version = version


class WatchStream:
    """The answer to a watch, line by line."""

    def __init__(self, response: urllib3.HTTPResponse, path: str) -> None:
        self._response = response
        self._path = path
        self._shut = threading.Event()

    def events(self) -> Generator[Body]:
        """Events as they come, until the server ends the watch or `shut` is called."""
        try:
            with _request(self._path):
                yield from self._lines()
        except (ServiceError, ValueError, AttributeError):
            # Reading from a connection that another thread shuts may fail in any of these ways.
            if not self._shut.is_set():
                raise
        finally:
            self._response.close()

    def _lines(self) -> Iterator[Body]:
        rest = b""
        for piece in self._response.stream(amt=2**16):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.strip():
                    yield json.loads(line)

    def shut(self) -> None:
        """End the watch from another thread, at once."""
        self._shut.set()
        with suppress(RuntimeError, ValueError, OSError):  # it had ended by itself
            self._response.shutdown()


def connect_client(context: str | None) -> Any:
    """The library's client from KUBECONFIG or ~/.kube/config, with the given context; else from inside the cluster.

    Raises Permanent where neither can be used. A context is a name in a kubeconfig: without one it is an error,
    rather than a silent turn to the cluster that the bot happens to run in.
    """
    settings = client.Configuration()
    settings.retries = False  # a failed call is rescheduled, not repeated on the spot
    settings.keep_alive = True
    files = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    try:
        if context or any(Path(file).is_file() for file in files.split(os.pathsep)):
            config.load_kube_config(files, context=context, client_configuration=settings, persist_config=False)
        else:
            config.load_incluster_config(client_configuration=settings)
    except (config.ConfigException, OSError, ValueError) as error:
        raise unusable(cut(str(error))) from error
    except YAMLError:
        raise unusable("the kubeconfig is not YAML") from None  # its message quotes lines of the file
    return client.ApiClient(settings)


@contextmanager
def _request(path: str) -> Iterator[None]:
    """Translate what happens below HTTP."""
    try:
        yield
    except ApiException as error:  # the library's word for a failed TLS handshake
        text = str(error.reason)
        if "CERTIFICATE_VERIFY_FAILED" in text or "PEM" in text:
            hint = "Check certificate-authority in the kubeconfig."
            raise Permanent("The certificate of the Kubernetes API server is not trusted.", hint=hint) from None
        raise Transient("The TLS handshake with the Kubernetes API server failed.", code="SSLError") from None
    except urllib3.exceptions.HTTPError as error:
        code = type(error).__name__
        raise Transient(f"The Kubernetes API server did not answer ({code} at {path}).", code=code) from error
    except json.JSONDecodeError as error:
        raise Transient("The Kubernetes API server sent no JSON.", code="JSONDecodeError") from error
    except (FileNotFoundError, PermissionError) as error:  # a client certificate or key that cannot be read
        raise unusable(cut(str(error))) from error
    except OSError as error:
        code = type(error).__name__
        raise Transient(f"The connection to the Kubernetes API server broke ({code}).", code=code) from error


def _text(response: Any) -> str:
    data = response.read()
    return data.decode(errors="replace") if isinstance(data, bytes) else str(data or "")
