// Errors: their class, status, code, field and request id; and how often they were sent.

import OpenAI from "openai";
import { client, connect, exchanges, model, report } from "./recording.mjs";

const unknown = "resp_00000000-0000-7000-8000-000000000000";
const nobody = "asst_00000000-0000-7000-8000-000000000000";
const running = await client.responses.create({ model, input: "hang One two", background: true });
const other = (apiKey) => connect({ apiKey }).responses;

const cases = {
  "an unknown turn before": () => client.responses.create({ model, input: "Hi", previous_response_id: unknown }),
  "a model that is no id": () => client.responses.create({ model: "gpt-5", input: "Hi" }),
  "a wrong key": () => other("nxk_wrong").create({ model, input: "Hi" }),
  "a key of another scope": () => other(process.env.USER_KEY).create({ model, input: "Hi" }),
  "an unknown assistant": () => client.responses.create({ model: nobody, input: "Hi" }),
  "an unknown response": () => client.responses.retrieve(unknown),
  "a turn that still runs": () => client.responses.create({ model, input: "Hi", previous_response_id: running.id }),
  "a throttling model server": () => client.responses.create({ model, input: "throttled" }),
  "a broken model server": () => client.responses.create({ model, input: "broken" }),
};

const result = {};
for (const [name, ask] of Object.entries(cases)) {
  const before = exchanges.length;
  const error = await ask().then(() => null, (caught) => caught);
  result[name] = [error.constructor.name, error.status, error.code, error.param];
  if (exchanges.length !== before + 1) throw new Error(`${name}: sent ${exchanges.length - before} times`);
  if (!(error instanceof OpenAI.APIError) || error.requestID !== error.headers.get("x-request-id")) {
    throw new Error(`${name}: not an API error with its request id`, { cause: error });
  }
}
await client.responses.cancel(running.id);

const stream = await client.responses.create({ model, input: "reset One two", stream: true });
try {
  for await (const event of stream) void event;
} catch (error) {
  result["a failure in a stream"] = [error.constructor.name, error.status ?? null, error.code, error.param];
}
const helper = client.responses.stream({ model, input: "reset One two" });
result["a failure under the helper"] = await helper.finalResponse().then(
  (response) => [response.status, response.error.code],
  (error) => [error.constructor.name, error.code],
);

report(result);
