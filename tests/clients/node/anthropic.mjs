// Anthropic's Node package, one case a run: `node anthropic.mjs CASE URL MODEL` prints what the client made of it.
import Anthropic from "@anthropic-ai/sdk";

const [name, baseURL, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: "none", maxRetries: 0, timeout: 120_000 });
const hello = { model, max_tokens: 16, temperature: 0, messages: [{ role: "user", content: "Say hello." }] };
const oslo = { role: "user", content: "Oslo" };
const tools = [
  {
    name: "weather",
    description: "Tells the weather of a city.",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];
const calling = { ...hello, messages: [oslo], tools, tool_choice: { type: "tool", name: "weather" } };

const cases = {
  async whole() {
    return await client.messages.create(hello);
  },

  async streamed() {
    return await client.messages.stream(hello).finalMessage();
  },

  async count() {
    const { model, messages } = hello;
    return await client.messages.countTokens({ model, messages });
  },

  async tool() {
    const called = await client.messages.create({ ...calling, tool_choice: { type: "any" } });
    const [{ id }] = called.content;
    const result = { type: "tool_result", tool_use_id: id, content: "Rain, 7 degrees." };
    const messages = [oslo, { role: "assistant", content: called.content }, { role: "user", content: [result] }];
    const last = await client.messages.create({ ...hello, messages, tools });
    return { called, last };
  },

  async streamedTool() {
    return await client.messages.stream({ ...calling, tool_choice: { type: "any" } }).finalMessage();
  },

  async refusal() {
    return await client.messages.create({ ...hello, messages: [{ role: "user", content: "What darnation!" }] });
  },

  async error() {
    try {
      await client.messages.create({ ...hello, model: "claude-opus-4-1" });
    } catch (error) {
      return { kind: error.constructor.name, status: error.status, type: error.error.error.type, id: error.requestID };
    }
  },

  async left() {
    const messages = [{ role: "user", content: "Write a long story about a fox." }];
    const stream = await client.messages.create({ ...hello, messages, max_tokens: 1000, stream: true });
    for await (const event of stream) return event.message.id; // leaving the loop aborts the request
  },
};

console.log(JSON.stringify(await cases[name]()));
