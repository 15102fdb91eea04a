// A client that keeps a copy of everything it was told, and what else the programs beside this file share.

import OpenAI from "openai";

/** All answers so far, those to requests that were sent again included. */
export const exchanges = [];

/** A client with the SDK's own retries; `options` go to its constructor. */
export function connect(options = {}) {
  return new OpenAI({
    baseURL: process.env.NODEXA_BASE_URL + "/v1",
    apiKey: process.env.NODEXA_API_KEY,
    fetch: copyingFetch,
    ...options,
  });
}

export const client = connect();
export const model = process.env.NODEXA_ASSISTANT_ID;

/** Prints what a program found out, and all answers; those that are not read to their end as far as they came. */
export function report(result) {
  console.log(JSON.stringify({ result, exchanges }));
}

/** The events of a stream. */
export async function eventsOf(stream) {
  const events = [];
  for await (const event of stream) events.push(event);
  return events;
}

/** The pieces of text among events. */
export function deltas(events) {
  return events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta);
}

async function copyingFetch(url, init) {
  const answer = await fetch(url, init);
  const headers = Object.fromEntries(answer.headers);
  const exchange = { method: init.method, url: String(url), status: answer.status, headers, body: "" };
  exchanges.push(exchange);
  const decoder = new TextDecoder();
  const copied = new TransformStream({
    transform(piece, onwards) {
      exchange.body += decoder.decode(piece, { stream: true });
      onwards.enqueue(piece);
    },
  });
  return new Response(answer.body.pipeThrough(copied), answer);
}
