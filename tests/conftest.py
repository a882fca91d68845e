"""Shared ground of all tests: sockets are shut beyond loopback (pyproject.toml); the machine's settings are hidden."""

import os

#: Proxies, certificate bundles and profiles of the machine, which kubernetes, slack_sdk, requests or botocore read.
_ASTRAY = (
    "ALL_PROXY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "AWS_PROFILE",
    "KUBECONFIG",
)

for _name in _ASTRAY:
    os.environ.pop(_name, None)
    os.environ.pop(_name.lower(), None)
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
