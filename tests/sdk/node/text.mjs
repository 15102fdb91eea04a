// Text: whole, as a stream, and with the stream helper; two turns each.

import { client, deltas, eventsOf, model, report } from "./recording.mjs";

const whole = await client.responses.create({ model, input: "My name is Alice." });
const wholeAgain = await client.responses.create({ model, input: "recall", previous_response_id: whole.id });

const events = await eventsOf(await client.responses.create({ model, input: "My name is Bob.", stream: true }));
const streamed = events.at(-1).response;
const eventsAgain = await eventsOf(
  await client.responses.create({ model, input: "recall", previous_response_id: streamed.id, stream: true }),
);

const pieces = [];
const helper = client.responses.stream({ model, input: "My name is Carol." });
helper.on("response.output_text.delta", (event) => pieces.push(event.delta));
const final = await helper.finalResponse();
const helperAgain = client.responses.stream({ model, input: "recall", previous_response_id: final.id });
const iterated = await eventsOf(helperAgain);
const finalAgain = await helperAgain.finalResponse();

report({
  whole: { status: whole.status, text: whole.output_text, usage: whole.usage.total_tokens },
  wholeAgain: wholeAgain.output_text,
  streamed: deltas(events),
  streamedAgain: deltas(eventsAgain),
  helper: { pieces, status: final.status, text: final.output_text, usage: final.usage.total_tokens },
  helperAgain: { pieces: deltas(iterated), text: finalAgain.output_text },
});
