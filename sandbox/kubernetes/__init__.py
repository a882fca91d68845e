"""A small Kubernetes API server: the objects, words and rules that the bot, its controller stand-in and kubectl meet.

Checked against exchanges recorded from a real kube-apiserver v1.36 (tests/sandbox/data/kubernetes-exchanges.json).
`server.KubernetesStandIn` is the way in; everything below it knows nothing of HTTP except `server` and `watching`.
"""
