"""Slack as the bot and its people see it: the Web API, Socket Mode, response URLs, Block Kit rules, and people who act.

`SlackStandIn` (server.py) is the server, `Workspace` (workspace.py) is all its state, `Person` (person.py) is a client
that types commands and presses buttons. What Slack refuses, this refuses with Slack's own error code; what is not
modelled is said in the module that would hold it.
"""
