// Conversations: made, gone on with whole and streamed, listed page by page, updated, deleted.

import { client, eventsOf, model, report } from "./recording.mjs";

const items = ["a", "b", "c"].map((content) => ({ role: "user", content }));
const made = await client.conversations.create({ items, metadata: { a: "b" } });
const conversation = made.id;

const whole = await client.responses.create({ model, input: "One", conversation });
const events = await eventsOf(
  await client.responses.create({ model, input: "Two", conversation: { id: conversation }, stream: true }),
);
const helped = await client.responses.stream({ model, input: "recall", conversation }).finalResponse();

const listed = { asc: [], desc: [] };
for (const order of ["asc", "desc"]) {
  for await (const item of client.conversations.items.list(conversation, { order, limit: 2 })) {
    listed[order].push(item.content[0].text);
  }
}

const added = await client.conversations.items.create(conversation, { items: [{ role: "user", content: "d" }] });
const item = { conversation_id: conversation };
const found = await client.conversations.items.retrieve(added.last_id, item);
const left = await client.conversations.items.delete(added.last_id, item);
const missing = await client.conversations.items.retrieve(added.last_id, item).catch((error) => error.code);
const updated = await client.conversations.update(conversation, { metadata: { c: "d" } });
const deleted = await client.conversations.delete(conversation);
const gone = await client.conversations.retrieve(conversation).catch((error) => error.constructor.name);

report({
  named: [whole, events.at(-1).response, helped].map((response) => response.conversation.id === conversation),
  recalled: helped.output_text,
  listed,
  found: found.content[0].text,
  left: left.id === conversation && left.metadata,
  missing,
  updated: updated.metadata,
  deleted: [deleted.object, deleted.deleted],
  gone,
});
