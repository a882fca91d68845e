"""The product: what an endpoint is, who may change it, how it is made and proven. Has never heard of Slack."""
