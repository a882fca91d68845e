"""Pure functions from requests, plans and events to Block Kit payloads. No Slack call is made here."""
