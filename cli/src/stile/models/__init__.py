"""The models: the list of them, their weights, and the server that runs one."""
