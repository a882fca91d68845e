"""AWS on loopback: moto as the base, and over it what moto leaves out and the bot meets every day.

`server.AwsStandIn` runs it. Each service has one module that replaces moto's backend and responses by subclasses:
`acm` (issues only what DNS proves), `route53` (strict atomic change batches, PENDING before INSYNC), `elbv2` (network
load balancers that take a while). `gate` stands before all of them, logs every call and strikes faults. `model` holds
the plain values that the DNS server and the data plane read.
"""
