"""uvicorn as the gateway runs it, below the application."""
