/* Chat completions, whole and as a stream. */

#include "replies.h"

#define CALL                                                                             \
    "{\"index\":%d,\"id\":\"call_%d_" ID "\",\"type\":\"function\",\"function\":{\"name\":\"look\"," \
    "\"arguments\":\"{\\\"at\\\":\\\"it\\\"}\"}}"
#define CHAT_USAGE ",\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":%d,\"total_tokens\":%d}}"

static void begin_chat(Text *data, const char *kind) {
    add(data, "{\"id\":\"chatcmpl-" ID "\",\"object\":\"%s\",\"created\":1,\"model\":\"mock\",\"choices\":[", kind);
}

void chat_whole(Reply *reply) {
    const Shape *shape = &reply->shape;
    Text body = {0};
    begin_chat(&body, "chat.completion");
    add(&body, "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    add_words(&body, shape);
    add(&body, "\"%s", shape->calls ? ",\"tool_calls\":[" : "");
    for (int n = 0; n < shape->calls; n++) add(&body, "%s" CALL, n ? "," : "", n, n);
    add(&body, "%s},\"finish_reason\":\"%s\"}]", shape->calls ? "]" : "", shape->calls ? "tool_calls" : "stop");
    add(&body, CHAT_USAGE, shape->tokens, shape->tokens + 8);
    add_answer(&reply->bytes, &body);
    release(&body);
}

/* `delta` is what its braces hold. */
static void chat_piece(Text *bytes, const Text *delta, const char *reason) {
    Text data = {0};
    add(&data, "data: ");
    begin_chat(&data, "chat.completion.chunk");
    add(&data, "{\"index\":0,\"delta\":{%s},\"finish_reason\":%s}]}\n\n", delta->length ? delta->data : "", reason);
    add_chunk(bytes, &data);
    release(&data);
}

void chat_stream(Reply *reply) {
    const Shape *shape = &reply->shape;
    Text *bytes = &reply->bytes, piece = {0};
    add(bytes, "%s", STREAM_HEAD);
    add(&piece, "\"role\":\"assistant\",\"content\":\"\"");
    chat_piece(bytes, &piece, "null");
    mark(reply, 1);
    for (int n = 0; n < shape->tokens; n++) {
        piece.length = 0;
        add(&piece, "\"content\":\"");
        add_word(&piece, shape, n);
        add(&piece, "\"");
        chat_piece(bytes, &piece, "null");
        mark(reply, n + 2);
    }
    for (int n = 0; n < shape->calls; n++) {
        piece.length = 0;
        add(&piece, "\"tool_calls\":[" CALL "]", n, n);
        chat_piece(bytes, &piece, "null");
    }
    piece.length = 0;
    chat_piece(bytes, &piece, shape->calls ? "\"tool_calls\"" : "\"stop\"");
    add(&piece, "data: ");
    begin_chat(&piece, "chat.completion.chunk");
    add(&piece, "]" CHAT_USAGE "\n\n", shape->tokens, shape->tokens + 8);
    add_chunk(bytes, &piece);
    add(&piece, "data: [DONE]\n\n");
    add_chunk(bytes, &piece);
    add(bytes, "0\r\n\r\n");
    release(&piece);
}

