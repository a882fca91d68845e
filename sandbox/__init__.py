"""AWS, Kubernetes, DNS, TLS and Slack stand-ins on loopback, to run the real bot against on one Linux machine."""
