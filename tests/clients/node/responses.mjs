// openai-node's responses and completions, one case a run: `node responses.mjs CASE BASE_URL MODEL`.
import OpenAI from "openai";
import { zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

const [name, baseURL, model] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey: "none", maxRetries: 0, timeout: 120_000 });
const hello = { model, input: "Say hello.", max_output_tokens: 16, seed: 7 };
const tools = [
  {
    type: "function",
    name: "weather",
    description: "Tells the weather of a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    strict: false,
  },
];

async function all(stream) {
  const found = [];
  for await (const one of stream) found.push(one);
  return found;
}

async function raised(promise) {
  try {
    await promise;
  } catch (error) {
    const { status, code, param } = error;
    return { kind: error.constructor.name, status: status ?? null, code, param };
  }
}

const cases = {
  async whole() {
    return await client.responses.create(hello);
  },

  async streamed() {
    return await all(await client.responses.create({ ...hello, stream: true }));
  },

  async tool() {
    const called = await client.responses.create({ model, input: "Oslo", tools, tool_choice: "required" });
    const { call_id } = called.output[0];
    const answer = { type: "function_call_output", call_id, output: "Rain, 7 degrees." };
    const last = await client.responses.create({ model, tools, previous_response_id: called.id, input: [answer] });
    return { called, last };
  },

  async streamedTool() {
    const stream = client.responses.stream({ model, input: "Oslo", tools, tool_choice: "required" });
    return await stream.finalResponse();
  },

  async schema() {
    const Person = z.object({ name: z.string(), age: z.number().int() });
    const format = zodTextFormat(Person, "person");
    const fields = { ...hello, input: "Ada is 36.", text: { format }, max_output_tokens: 200 };
    return (await client.responses.parse(fields)).output_parsed;
  },

  async refusal() {
    return await client.responses.create({ ...hello, input: "What darnation!" });
  },

  async error() {
    const whole = await raised(client.responses.create({ ...hello, tools: [{ type: "web_search" }] }));
    const long = { ...hello, input: "word ".repeat(4000), stream: true };
    const begun = await raised(client.responses.create(long).then(all));
    return { whole, begun };
  },

  async deleted() {
    const { id } = await client.responses.create(hello);
    const kept = await client.responses.retrieve(id);
    await client.responses.delete(id);
    return { kept, error: await raised(client.responses.retrieve(id)) };
  },

  async left() {
    const input = "Write a long story about a fox.";
    const stream = await client.responses.create({ model, input, stream: true });
    for await (const event of stream) return event.response.id; // leaving the loop aborts the request
  },

  async completions() {
    const asked = { model, prompt: "The sky is", max_tokens: 8, seed: 7 };
    const whole = await client.completions.create(asked);
    const chunks = await all(await client.completions.create({ ...asked, stream: true }));
    return { whole, chunks };
  },
};

console.log(JSON.stringify(await cases[name]()));
