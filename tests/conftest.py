"""Shared ground of all tests: sockets are shut beyond loopback (pyproject.toml), and the machine's own settings are hidden."""

import os


# Proxies and certificate bundles of the machine must not reach clients under test (kubernetes, slack_sdk, botocore read them).
for _name in (
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "NO_PROXY", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "AWS_PROFILE", "KUBECONFIG",
):
    os.environ.pop(_name, None)
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


