"""HTTP: what every route shares. The dialects have the routes that ask the model."""
