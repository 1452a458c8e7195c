"""The commands that change what an installation consists of: keys, clients, streams, models, the policy."""
