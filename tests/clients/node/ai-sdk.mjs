// The Vercel AI SDK's openai-compatible provider: `node ai-sdk.mjs CASE BASE_URL MODEL`.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from "ai";

const [name, baseURL, id] = process.argv.slice(2);
const stile = createOpenAICompatible({ name: "stile", baseURL, supportsStructuredOutputs: true });
const hello = { model: stile(id), prompt: "Say hello.", maxOutputTokens: 16, seed: 7, maxRetries: 0 };

const cases = {
  async whole() {
    const { text, usage, finishReason } = await generateText(hello);
    return { text, usage, finishReason };
  },

  async streamed() {
    const result = streamText({
      ...hello,
      onError({ error }) {
        throw error;
      },
    });
    const parts = [];
    for await (const part of result.textStream) parts.push(part);
    return { parts, finishReason: await result.finishReason };
  },

  async tool() {
    const asked = [];
    const weather = tool({
      description: "Tells the weather of a city.",
      inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
      async execute(input) {
        asked.push(input);
        return "Rain, 7 degrees.";
      },
    });
    await generateText({
      model: stile(id),
      prompt: "Oslo",
      tools: { weather },
      toolChoice: "required",
      stopWhen: stepCountIs(1),
      maxRetries: 0,
    });
    return asked;
  },

  async schema() {
    const schema = jsonSchema({
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer" } },
      required: ["name", "age"],
      additionalProperties: false,
    });
    const { output } = await generateText({
      ...hello,
      prompt: "Ada is 36.",
      maxOutputTokens: 200,
      output: Output.object({ schema }),
    });
    return output;
  },
};

console.log(JSON.stringify(await cases[name]()));
