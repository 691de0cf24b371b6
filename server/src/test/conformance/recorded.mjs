#!/usr/bin/env node
// Streams a recorded answer of each family of tool calls through the clients that people use: node recorded.mjs URL=FILE ...
// FILE has the tools and what is expected: {family, tools, user, expect: {content, tool_calls: [{name, arguments}]}}.
import { readFileSync } from "node:fs";
import OpenAI from "openai";
import { streamText, jsonSchema, tool as aiTool } from "ai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { ChatOpenAI } from "@langchain/openai";

const apiKey = process.env.OPENAI_API_KEY ?? "none";

const CLIENTS = {
  async openai({ v1, model, tools, user }) {
    const client = new OpenAI({ baseURL: v1, apiKey, maxRetries: 0 });
    const stream = client.chat.completions.stream({ model, temperature: 0, tools, messages: [{ role: "user", content: user }] });
    const { message } = (await stream.finalChatCompletion()).choices[0];
    return { content: message.content, calls: (message.tool_calls ?? []).map(({ function: f }) => [f.name, JSON.parse(f.arguments)]) };
  },

  async "ai-sdk"({ v1, model, tools, user }) {
    const compatible = createOpenAICompatible({ name: "target", baseURL: v1, apiKey });
    const offered = Object.fromEntries(tools.map(({ function: f }) => [f.name, aiTool({ description: f.description, inputSchema: jsonSchema(f.parameters) })]));
    const result = streamText({ model: compatible(model), temperature: 0, maxRetries: 0, messages: [{ role: "user", content: user }], tools: offered });
    const calls = [];
    let content = "";
    for await (const part of result.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "text-delta") content += part.text;
      if (part.type === "tool-call") calls.push([part.toolName, part.input]);
    }
    return { content, calls };
  },

  async langchain({ v1, model, tools, user }) {
    const chat = new ChatOpenAI({ model, apiKey, configuration: { baseURL: v1 }, temperature: 0, maxRetries: 0 }).bindTools(tools);
    let all;
    for await (const part of await chat.stream(user)) all = all ? all.concat(part) : part;
    return { content: all.content, calls: all.tool_calls.map(({ name, args }) => [name, args]) };
  },
};

let failed = 0;
let passed = 0;
for (const argument of process.argv.slice(2)) {
  const [url, file] = argument.split("=");
  const { family, tools, user, expect } = JSON.parse(readFileSync(file, "utf8"));
  const v1 = `${url}/v1`;
  const model = (await (await fetch(`${v1}/models`, { headers: { Authorization: `Bearer ${apiKey}` } })).json()).data[0].id;
  const wanted = JSON.stringify({ content: expect.content ?? "", calls: expect.tool_calls.map(call => [call.name, JSON.parse(call.arguments)]) });
  for (const [name, ask] of Object.entries(CLIENTS)) {
    const { content, calls } = await ask({ v1, model, tools, user }).catch(e => ({ content: `${e}`, calls: [] }));
    const got = JSON.stringify({ content: content ?? "", calls });
    if (got === wanted) passed++;
    else failed++;
    console.log(got === wanted ? `PASS ${family} ${name}` : `FAIL ${family} ${name}: expected ${wanted}, got ${got}`);
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
