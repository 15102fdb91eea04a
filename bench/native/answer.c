/* An HTTP answer, read piece by piece. */

#include "answer.h"

void begin(Answer *answer) {
    Text text = answer->text;
    text.length = 0;
    memset(answer, 0, offsetof(Answer, line));
    answer->text = text;
    answer->line[0] = answer->note[0] = 0;
}

void note(Answer *answer, const char *words, size_t length) {
    if (answer->note[0]) return;
    if (length >= sizeof answer->note) length = sizeof answer->note - 1;
    memcpy(answer->note, words, length);
    answer->note[length] = 0;
}

/* A closed connection would end an answer without a length too: no server here sends one. */
static void read_head(Answer *answer) {
    char *end = memmem(answer->text.data, answer->text.length, "\r\n\r\n", 4);
    if (!end) return;
    *end = 0;
    const char *head = answer->text.data, *length = header(head, "\r\ncontent-length:");
    const char *status = strchr(head, ' ');
    answer->status = status ? atoi(status) : 0;
    answer->left = length ? strtoul(length, NULL, 10) : 0;
    answer->state = length ? BODY : SIZE;
    answer->whole = length && !answer->left;
}

/* A line that ends in \n, kept while it is not whole; NULL: it isn't yet. */
static const char *line_of(Answer *answer, const char **data, const char *end) {
    const char *stop = memchr(*data, '\n', (size_t)(end - *data)), *until = stop ? stop + 1 : end;
    size_t had = strlen(answer->line), more = (size_t)(until - *data);
    if (more > sizeof answer->line - 1 - had) more = sizeof answer->line - 1 - had;
    memcpy(answer->line + had, *data, more);
    answer->line[had + more] = 0;
    *data = until;
    return stop ? answer->line : NULL;
}

static void take(Answer *answer, const char **data, const char *end, int keep) {
    size_t length = (size_t)(end - *data) < answer->left ? (size_t)(end - *data) : answer->left;
    if (keep && answer->status == 200) append(&answer->text, *data, length);
    else if (answer->status != 200) note(answer, *data, length);
    *data += length;
    answer->left -= length;
}

static void read_line_of_chunks(Answer *answer, const char **data, const char *end) {
    const char *line = line_of(answer, data, end);
    if (!line) return;
    if (answer->state == SIZE) {
        answer->left = strtoul(line, NULL, 16);
        answer->state = answer->left ? CHUNK : TRAILER;
    } else if (answer->state == CHUNK_END) {
        answer->state = SIZE;
    } else {
        answer->whole = line[0] == '\r' || line[0] == '\n';
    }
    answer->line[0] = 0;
}

void feed(Answer *answer, const char *data, size_t length, int keep) {
    const char *end = data + length;
    if (answer->state == HEAD) {
        size_t had = answer->text.length;
        append(&answer->text, data, length);
        read_head(answer);
        if (answer->state == HEAD) return;
        data += strlen(answer->text.data) + 4 - had;
        answer->text.length = 0;
    }
    while (data < end && !answer->whole) {
        if (answer->state == BODY || answer->state == CHUNK) {
            take(answer, &data, end, keep);
            if (!answer->left && answer->state == BODY) answer->whole = 1;
            else if (!answer->left) answer->state = CHUNK_END;
        } else {
            read_line_of_chunks(answer, &data, end);
        }
    }
}
