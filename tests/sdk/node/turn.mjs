// One turn of a conversation: node turn.mjs INPUT [PREVIOUS_RESPONSE_ID]

import { client, model, report } from "./recording.mjs";

const [input, previous_response_id] = process.argv.slice(2);
const response = await client.responses.create({ model, input, previous_response_id });
report({ id: response.id, text: response.output_text });
