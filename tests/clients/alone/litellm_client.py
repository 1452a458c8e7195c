# /// script
# requires-python = ">=3.11"
# dependencies = ["litellm==1.106.2"]
# ///
"""LiteLLM as a client: ``uv run --locked litellm_client.py whole|streamed BASE_URL MODEL`` prints JSON."""

import json
import sys

from litellm import completion

case, base_url, model = sys.argv[1:]
answer = completion(
    model=f"openai/{model}",
    api_base=base_url,
    api_key="none",
    messages=[{"role": "user", "content": "Say hello."}],
    max_tokens=16,
    seed=7,
    stream=case == "streamed",
    num_retries=0,
)
json.dump([chunk.model_dump() for chunk in answer] if case == "streamed" else answer.model_dump(), sys.stdout)
