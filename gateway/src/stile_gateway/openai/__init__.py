"""OpenAI's chat API, translated to Stile's messages and back. Pure: no network, no framework."""
