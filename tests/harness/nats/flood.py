"""A direct client that publishes one message as often as it can, in a process of its own."""

import argparse
import asyncio

import nats


async def flood(url: str, seed: str, subject: str, body: str, count: int) -> None:
    """Publish ``body`` to ``subject`` as often as ``count`` says, with a place to answer at."""
    client = await nats.connect(url, nkeys_seed=seed)
    reply = client.new_inbox()
    for number in range(count):
        await client.publish(subject, body.encode(), reply=reply)
        if number % 1000 == 0:
            await client.flush(timeout=60)
    await client.flush(timeout=60)
    await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("url", "seed", "subject", "body"):
        parser.add_argument(name)
    parser.add_argument("count", type=int)
    asyncio.run(flood(**vars(parser.parse_args())))
