// What stays of a response: fetched, resumed from every number, replayed by the helper, listed, deleted.

import { client, deltas, eventsOf, model, report } from "./recording.mjs";

const events = await eventsOf(await client.responses.create({ model, input: "Hello, wide world", stream: true }));
const { id } = events[0].response;
const resumed = [];
for (let after = 0; after < events.length; after++) {
  const rest = await eventsOf(await client.responses.retrieve(id, { stream: true, starting_after: after }));
  resumed.push(JSON.stringify(rest) === JSON.stringify(events.slice(after + 1)));
}
const fetched = await client.responses.retrieve(id);
const replay = client.responses.stream({ response_id: id, starting_after: 5 });
const replayed = await eventsOf(replay);
const final = await replay.finalResponse();

const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"], additionalProperties: false };
const format = { type: "json_schema", name: "place", schema, strict: true };
const structured = await client.responses.create({ model, input: "Where?", text: { format } });

const texts = ["one", "two", "three", "four", "five"];
const several = await client.responses.create({ model, input: texts.map((content) => ({ role: "user", content })) });
const listed = { asc: [], desc: [] };
for (const order of ["asc", "desc"]) {
  for await (const item of client.responses.inputItems.list(several.id, { order, limit: 2 })) {
    listed[order].push(item.content[0].text);
  }
}

const models = [];
for await (const each of client.models.list()) models.push(each.id);
const found = await client.models.retrieve(model);

await client.responses.delete(several.id);
const gone = await client.responses.retrieve(several.id).catch((error) => error.constructor.name);

report({
  resumed,
  same: JSON.stringify(fetched) === JSON.stringify(events.at(-1).response),
  replayed: { numbers: replayed.map((event) => event.sequence_number), pieces: deltas(replayed), text: final.output_text },
  structured: structured.output_text,
  listed,
  models: { listed: models.includes(model), found: found.id },
  gone,
});
