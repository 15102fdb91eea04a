// Alice: what she says in one conversation is known in another, to nobody else, and not once it is erased.

import { connect, report } from "./recording.mjs";

const model = process.argv[2];
const clientOf = (user) => connect({ defaultHeaders: { "x-user-id": user } });
const alice = clientOf("node-alice");
const bob = clientOf("node-bob");
const first = async (client, more = {}) => {
  const stream = client.responses.stream({ model, input: "recall", ...more });
  return (await stream.finalResponse()).output_text;
};

const noted = await alice.responses.create({ model, input: "call save_to_memory in My name is Alice" });
const claims = { claims: [{ claimKey: "plan", claimValue: "gold" }] };
const written = await alice.post("/user-claims/bulk", { body: claims });
const known = await first(alice);
const others = await first(bob);

const chats = await alice.get("/chat/history/conversations");
const said = await alice.get(`/chat/history/conversations/${chats.at(-1).id}/messages`);
const kept = await alice.get("/memory");
await alice.delete(`/memory/${kept.memories[0].id}`);
await alice.delete("/user-claims/plan");

report({
  noted: noted.output.map((item) => item.type),
  written,
  known,
  others,
  titles: chats.map((chat) => chat.title),
  said: said.map((message) => message.role),
  erased: await first(alice),
});
