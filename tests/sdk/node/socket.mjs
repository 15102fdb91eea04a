// The WebSocket: two turns that nothing stores, after a warm-up, and a refusal.

import { ResponsesWS } from "openai/resources/responses/ws";

import { connect, deltas, model } from "./recording.mjs";

const ENDS = ["response.completed", "response.incomplete", "response.failed", "error"];
const socket = new ResponsesWS(connect());
const messages = socket.stream();

async function ask(request) {
  socket.send({ type: "response.create", model, store: false, ...request });
  const events = [];
  for (;;) {
    const { value, done } = await messages.next();
    if (done) throw new Error("the connection was closed");
    if (value.type === "error" && value.error) throw value.error;
    if (value.type === "message") events.push(value.message);
    if (ENDS.includes(events.at(-1)?.type)) return events;
  }
}

const streams = [await ask({ input: "My name is Alice.", generate: false })];
const warm = streams[0].at(-1).response;
streams.push(await ask({ input: [], previous_response_id: warm.id }));
const first = streams[1].at(-1).response;
streams.push(await ask({ input: "recall", previous_response_id: first.id }));
let refused;
try {
  refused = (await ask({ input: "Hi", previous_response_id: warm.id })).at(-1);
} catch (error) {
  refused = error.error ?? error;
}
socket.close();

const result = { warm: warm.output, pieces: deltas(streams[1]), again: streams[2].at(-1).response.output_text, refused };
console.log(JSON.stringify({ result, streams }));
