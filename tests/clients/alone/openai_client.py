# /// script
# requires-python = ">=3.11"
# dependencies = ["openai==3.54.0"]
# ///
"""openai-python's current major release: ``uv run --locked openai_client.py whole|streamed BASE_URL MODEL``.

The tests' own environment has release 2, which LangChain asks for.
"""

import json
import sys

from openai import OpenAI

case, base_url, model = sys.argv[1:]
client = OpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=120)
answer = client.chat.completions.create(
    model=model,
    messages=[{"role": "user", "content": "Say hello."}],
    max_tokens=16,
    seed=7,
    stream=case == "streamed",
)
json.dump([chunk.model_dump() for chunk in answer] if case == "streamed" else answer.model_dump(), sys.stdout)
