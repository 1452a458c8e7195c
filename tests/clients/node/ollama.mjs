// ollama-js, one case a run: `node ollama.mjs CASE URL MODEL` prints what the client made of the answer.
import { Ollama } from "ollama";

const [name, host, model] = process.argv.slice(2);
const client = new Ollama({ host });
const options = { num_predict: 16, seed: 7 };
const hello = { model, messages: [{ role: "user", content: "Say hello." }], options };
const call = { role: "user", content: "Call it." };
const tools = [
  {
    type: "function",
    function: {
      name: "weather",
      description: "Tells the weather of a city.",
      parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    },
  },
];

async function all(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

async function failed(request) {
  try {
    await request;
  } catch (error) {
    return { kind: error.name, status: error.status_code, message: error.message };
  }
}

const cases = {
  async whole() {
    return await client.chat(hello);
  },

  async streamed() {
    return await all(await client.chat({ ...hello, stream: true }));
  },

  async prompt() {
    return await client.generate({ model, prompt: "Say hello.", options });
  },

  async tool() {
    const called = await client.chat({ model, messages: [call], tools });
    const answer = { role: "tool", tool_name: "weather", content: "Rain, 7 degrees." };
    const last = await client.chat({ model, messages: [call, called.message, answer], tools });
    return { called, last };
  },

  async streamedTool() {
    return await all(await client.chat({ model, messages: [call], tools, stream: true }));
  },

  async refusal() {
    return await client.chat({ ...hello, messages: [{ role: "user", content: "What darnation!" }] });
  },

  async error() {
    return {
      unknown: await failed(client.chat({ ...hello, model: "llama3.2" })),
      streamed: await failed(client.chat({ ...hello, model: "llama3.2", stream: true })),
      pull: await failed(client.pull({ model: "llama3.2" })),
    };
  },

  async left() {
    const messages = [{ role: "user", content: "Write a long story about a fox." }];
    const stream = await client.chat({ model, messages, options: { seed: 7 }, stream: true });
    for await (const part of stream) {
      if (part.message.content) stream.abort();
    }
  },

  async models() {
    const [listed, loaded, shown, version] = await Promise.all([
      client.list(),
      client.ps(),
      client.show({ model }),
      client.version(),
    ]);
    const names = [listed, loaded].map(({ models }) => models.map((one) => one.name));
    return { names, capabilities: shown.capabilities, version: version.version };
  },
};

try {
  console.log(JSON.stringify((await cases[name]()) ?? null));
} catch (error) {
  if (error.name !== "AbortError") throw error;
  console.log(JSON.stringify("aborted"));
}
