// Files and vector stores: uploaded in every way, followed, searched, listed page by page, deleted.

import { toFile } from "openai";

import { client, report } from "./recording.mjs";

const named = (text, name) => toFile(Buffer.from(text), name);
const file = await client.files.create({ file: await named("Parrots eat seeds.", "parrots.txt"), purpose: "assistants" });
const store = await client.vectorStores.create({ name: "Animals", file_ids: [file.id] });
const polled = await client.vectorStores.files.poll(store.id, file.id);
const second = await client.vectorStores.files.uploadAndPoll(store.id, await named("<p>Bees dance.</p>", "bees.html"));
const batch = await client.vectorStores.fileBatches.uploadAndPoll(store.id, {
  files: [await named("Cats sleep.", "cats.md"), await named("\0", "noise.bin")],
});

const found = [];
for await (const each of client.vectorStores.search(store.id, { query: "What do parrots eat?" })) found.push(each);
const listed = [];
for await (const each of client.vectorStores.files.list(store.id, { limit: 2, order: "asc" })) listed.push(each.status);
const texts = [];
for await (const part of client.vectorStores.files.content(second.id, { vector_store_id: store.id })) texts.push(part.text);
const content = await (await client.files.content(file.id)).text();
const updated = await client.vectorStores.update(store.id, { name: "Beasts", metadata: { a: "b" } });
const removed = await client.vectorStores.files.delete(second.id, { vector_store_id: store.id });
const deleted = await client.vectorStores.delete(store.id);
const gone = await client.vectorStores.retrieve(store.id).catch((error) => [error.constructor.name, error.code]);

report({
  polled: polled.status,
  second: second.status,
  batch: [batch.status, batch.file_counts.completed, batch.file_counts.failed],
  found: [found[0].filename, found[0].content[0].text],
  // The SDK uploads the files of a batch side by side: which of them is the earlier is not said.
  listed: [...listed.slice(0, 2), ...listed.slice(2).sort()],
  texts,
  content,
  updated: [updated.name, updated.metadata],
  deleted: [removed.deleted, deleted.object, deleted.deleted],
  gone,
});
