"""All of Slack, in and out: parse, one call into services, reply. Decides nothing that a service should."""
