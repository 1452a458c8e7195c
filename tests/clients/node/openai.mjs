// openai-node, one case a run: `node openai.mjs CASE BASE_URL MODEL` prints what the client made of the answer.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const [name, baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 120_000 });
const hello = { model, messages: [{ role: "user", content: "Say hello." }], max_tokens: 16, seed: 7 };
const oslo = { role: "user", content: "Oslo" };
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

const cases = {
  async whole() {
    return await client.chat.completions.create(hello);
  },

  async streamed() {
    const stream = await client.chat.completions.create({
      ...hello,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    return chunks;
  },

  async tool() {
    const called = await client.chat.completions.create({
      model,
      messages: [oslo],
      tools,
      tool_choice: "required",
    });
    const { message } = called.choices[0];
    const answer = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "Rain, 7 degrees." };
    const last = await client.chat.completions.create({ model, messages: [oslo, message, answer], tools });
    return { called, last };
  },

  async streamedTool() {
    const stream = client.chat.completions.stream({ model, messages: [oslo], tools, tool_choice: "required" });
    return await stream.finalChatCompletion();
  },

  async schema() {
    const Person = z.object({ name: z.string(), age: z.number().int() });
    const answer = await client.chat.completions.parse({
      model,
      messages: [{ role: "user", content: "Ada is 36." }],
      response_format: zodResponseFormat(Person, "person"),
      max_tokens: 200,
      seed: 7,
    });
    return answer.choices[0].message.parsed;
  },

  async refusal() {
    return await client.chat.completions.create({
      ...hello,
      messages: [{ role: "user", content: "What darnation!" }],
    });
  },

  async error() {
    try {
      await client.chat.completions.create({ ...hello, n: 2 });
    } catch (error) {
      const { status, code, param, requestID } = error;
      return { kind: error.constructor.name, status, code, param, requestID };
    }
  },

  async left() {
    const stream = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: "Write a long story about a fox." }],
      stream: true,
      seed: 7,
    });
    for await (const chunk of stream) return chunk.id; // leaving the loop aborts the request
  },

  async models() {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    return ids;
  },
};

console.log(JSON.stringify(await cases[name]()));
