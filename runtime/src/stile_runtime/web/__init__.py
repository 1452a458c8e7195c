"""What the services that speak to a browser share."""
