"""The doors to AWS, Kubernetes, DNS, TLS and the database. Foreign errors are translated here, once, by code."""
