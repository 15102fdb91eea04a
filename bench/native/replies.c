/* Which reply a request wants, and its bytes with what must be replaced in them. */

#include "replies.h"

int door_of(const char *path, size_t length) {
    static const char *const names[] = {"/completions", "/responses", "/models"};
    for (int door = CHAT; door < LOST; door++) {
        size_t size = strlen(names[door]);
        if (length >= size && !memcmp(path + length - size, names[door], size)) return door;
    }
    return LOST;
}

Shape shape_of(int door, const char *body, size_t length) {
    Shape shape = {.door = door, .tokens = 200};
    shape.stream = memmem(body, length, "\"stream\":true", 13) || memmem(body, length, "\"stream\": true", 14);
    const char *at = body + length, *found = NULL;
    while (!found && (at = memrchr(body, 'b', (size_t)(at - body))))
        if (body + length - at > 6 && !memcmp(at, "bench:", 6)) found = at;
    if (!found) return shape;
    char words[64] = {0};
    size_t left = (size_t)(body + length - found);
    memcpy(words, found, left < 63 ? left : 63);
    sscanf(words, "bench:%d:%d:%d:%d", &shape.tokens, &shape.pause_ms, &shape.stamped, &shape.calls);
    return shape;
}

void add_word(Text *text, const Shape *shape, int number) {
    if (shape->stamped) add(text, " %s", STAMP);
    else add(text, " t%d", number);
}

void add_words(Text *text, const Shape *shape) {
    for (int number = 0; number < shape->tokens; number++) add_word(text, shape, number);
}

void add_chunk(Text *bytes, Text *data) {
    add(bytes, "%zx\r\n", data->length);
    append(bytes, data->data, data->length);
    append(bytes, "\r\n", 2);
    data->length = 0;
}

void add_answer(Text *bytes, const Text *body) {
    add(bytes, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n", body->length);
    append(bytes, body->data, body->length);
}

void mark(Reply *reply, int number) { reply->marks[number].at = reply->bytes.length; }

/* Where a word is; `marks` learn how many of it lie before them. */
static size_t *places(const Reply *reply, const char *word, int marks, int stamps) {
    size_t *found = NULL, size = strlen(word);
    int count = 0, next = 0;
    char *start = reply->bytes.data, *end = start + reply->bytes.length;
    for (char *at = start;; at += size) {
        at = memmem(at, (size_t)(end - at), word, size);
        for (; next < marks && (!at || reply->marks[next].at <= (size_t)(at - start)); next++)
            *(stamps ? &reply->marks[next].stamps : &reply->marks[next].ids) = count;
        if (!at) return found;
        found = enough(found, (size_t)(count + 1) * sizeof *found);
        found[count++] = (size_t)(at - start);
    }
}

const Reply *reply_of(Shape shape) {
    static Reply *made;
    static void (*const makers[2][2])(Reply *) = {{chat_whole, chat_stream}, {responses_whole, responses_stream}};
    for (Reply *reply = made; reply; reply = reply->next)
        if (!memcmp(&reply->shape, &shape, sizeof shape)) return reply;
    Reply *reply = enough(NULL, sizeof *reply);
    int marks = shape.stream ? shape.tokens + 3 : 2;
    *reply = (Reply){.shape = shape, .next = made};
    reply->marks = enough(NULL, (size_t)marks * sizeof(Mark));
    mark(reply, 0);
    makers[shape.door][shape.stream](reply);
    mark(reply, marks - 1);
    reply->ids = places(reply, ID, marks, 0);
    reply->stamps = places(reply, STAMP, marks, 1);
    return made = reply;
}

