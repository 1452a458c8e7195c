"""What the other parts are asked: the gateway, the filter, the console."""
