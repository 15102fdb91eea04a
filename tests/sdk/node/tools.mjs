// Two calls at once, answered in reverse order: whole, as a stream, with the stream helper, and with strict tools.

import { client, eventsOf, model, report } from "./recording.mjs";

const parameters = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const tools = [
  { type: "function", name: "time", parameters, strict: false },
  { type: "function", name: "weather", parameters, strict: false },
];
const strictTools = tools.map((tool) => ({ ...tool, strict: true }));
const input = "call weather in Paris and Rome";

const calls = (response) => response.output.filter((item) => item.type === "function_call");
const asked = (response) => ({
  status: response.status,
  calls: calls(response).map((call) => [call.name, JSON.parse(call.arguments).city]),
});
const answers = (response) => ({
  model,
  tools,
  previous_response_id: response.id,
  input: calls(response)
    .map((call) => ({ type: "function_call_output", call_id: call.call_id, output: JSON.parse(call.arguments).city }))
    .reverse(),
});

const whole = await client.responses.create({ model, input, tools });
const wholeAnswered = await client.responses.create(answers(whole));

const events = await eventsOf(await client.responses.create({ model, input, tools, stream: true }));
const streamed = events.at(-1).response;
const streamAnswered = await eventsOf(await client.responses.create({ ...answers(streamed), stream: true }));

const helped = await client.responses.stream({ model, input, tools }).finalResponse();
const helperAnswered = await client.responses.stream(answers(helped)).finalResponse();

const strict = await client.responses.parse({ model, input, tools: strictTools });
const strictHelped = await client.responses.stream({ model, input, tools: strictTools }).finalResponse();

report({
  whole: { ...asked(whole), answer: wholeAnswered.output_text },
  streamed: { ...asked(streamed), answer: streamAnswered.at(-1).response.output_text },
  helped: { ...asked(helped), answer: helperAnswered.output_text },
  strict: { ...asked(strict), parsed: calls(strict).map((call) => call.parsed_arguments) },
  strictHelped: { ...asked(strictHelped), parsed: calls(strictHelped).map((call) => call.parsed_arguments) },
  stored: (await client.responses.retrieve(helped.id)).status,
});
