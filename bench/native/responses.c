/* Responses, whole and as a stream with the whole ladder of events. */

#include "replies.h"

#define ITEM "\"output_index\":0,\"item_id\":\"msg_" ID "\",\"content_index\":0"

static void add_part(Text *data, const char *words) {
    add(data, "{\"type\":\"output_text\",\"text\":\"%s\",\"annotations\":[],\"logprobs\":[]}", words);
}

/* `words` NULL: without content. */
static void add_message(Text *data, const char *status, const char *words) {
    add(data, "{\"type\":\"message\",\"id\":\"msg_" ID "\",\"status\":\"%s\",\"role\":\"assistant\",\"content\":[", status);
    if (words) add_part(data, words);
    add(data, "]}");
}

static void add_response(Text *data, const char *status, const char *words, int tokens) {
    add(data, "{\"id\":\"resp_" ID "\",\"object\":\"response\",\"created_at\":1,\"status\":\"%s\",\"model\":\"mock\",", status);
    add(data, "\"output\":[");
    if (words) add_message(data, "completed", words);
    add(data, "],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[],\"temperature\":1.0,\"top_p\":1.0,"
              "\"error\":null,\"incomplete_details\":null,\"instructions\":null,\"metadata\":{},\"usage\":");
    if (words)
        add(data, "{\"input_tokens\":8,\"output_tokens\":%d,\"total_tokens\":%d,\"input_tokens_details\":"
                  "{\"cached_tokens\":0},\"output_tokens_details\":{\"reasoning_tokens\":0}}}", tokens, tokens + 8);
    else add(data, "null}");
}

void responses_whole(Reply *reply) {
    Text body = {0}, words = {0};
    add(&words, "%s", "");
    add_words(&words, &reply->shape);
    add_response(&body, "completed", words.data, reply->shape.tokens);
    add_answer(&reply->bytes, &body);
    release(&body);
    release(&words);
}

static void begin_event(Text *data, const char *kind, int *count) {
    add(data, "event: response.%s\ndata: {\"type\":\"response.%s\",\"sequence_number\":%d,", kind, kind, (*count)++);
}

static void end_event(Text *bytes, Text *data) {
    add(data, "}\n\n");
    add_chunk(bytes, data);
}

static void responses_beginning(Text *bytes, Text *data, int *count) {
    static const char *const kinds[] = {"created", "in_progress"};
    add(bytes, "%s", STREAM_HEAD);
    for (int n = 0; n < 2; n++) {
        begin_event(data, kinds[n], count);
        add(data, "\"response\":");
        add_response(data, "in_progress", NULL, 0);
        end_event(bytes, data);
    }
    begin_event(data, "output_item.added", count);
    add(data, "\"output_index\":0,\"item\":");
    add_message(data, "in_progress", NULL);
    end_event(bytes, data);
    begin_event(data, "content_part.added", count);
    add(data, ITEM ",\"part\":");
    add_part(data, "");
    end_event(bytes, data);
}

static void responses_end(Text *bytes, Text *data, int *count, const char *words, int tokens) {
    begin_event(data, "output_text.done", count);
    add(data, ITEM ",\"text\":\"%s\",\"logprobs\":[]", words);
    end_event(bytes, data);
    begin_event(data, "content_part.done", count);
    add(data, ITEM ",\"part\":");
    add_part(data, words);
    end_event(bytes, data);
    begin_event(data, "output_item.done", count);
    add(data, "\"output_index\":0,\"item\":");
    add_message(data, "completed", words);
    end_event(bytes, data);
    begin_event(data, "completed", count);
    add(data, "\"response\":");
    add_response(data, "completed", words, tokens);
    end_event(bytes, data);
    add(bytes, "0\r\n\r\n");
}

void responses_stream(Reply *reply) {
    Text *bytes = &reply->bytes, data = {0}, words = {0};
    int count = 0;
    responses_beginning(bytes, &data, &count);
    mark(reply, 1);
    add(&words, "%s", "");
    for (int n = 0; n < reply->shape.tokens; n++) {
        size_t before = words.length;
        add_word(&words, &reply->shape, n);
        begin_event(&data, "output_text.delta", &count);
        add(&data, ITEM ",\"delta\":\"%s\",\"logprobs\":[]", words.data + before);
        end_event(bytes, &data);
        mark(reply, n + 2);
    }
    responses_end(bytes, &data, &count, words.data, reply->shape.tokens);
    release(&data);
    release(&words);
}

