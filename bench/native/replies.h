/* The bytes of the mock's replies, the same as in bench/frames.py: made once a shape. */

#ifndef REPLIES_H
#define REPLIES_H

#include "wire.h"

#define ID "IDIDIDIDIDID" /* replaced in each reply by its number, of the same length */
#define ID_LENGTH 12
#define STAMP "~STAMPSTAMPSTAMPST~"
#define STAMP_LENGTH 19
#define STREAM_HEAD "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"

enum { CHAT, RESPONSES, MODELS, LOST };

typedef struct {
    int door, stream, tokens, pause_ms, stamped, calls;
} Shape;

typedef struct {
    size_t at;
    int ids, stamps; /* so many lie before */
} Mark;

/* Marks of a stream: the start, the end of its beginning, the end of each token, the end. Of the others: both ends. */
typedef struct Reply {
    Shape shape;
    Text bytes;
    Mark *marks;
    size_t *ids, *stamps; /* where they are */
    struct Reply *next;
} Reply;

/* Which door a path is. */
int door_of(const char *path, size_t length);

/* What a request wants: the last shape in it, because those before it are the history. */
Shape shape_of(int door, const char *body, size_t length);

/* Made when it is first asked for, and kept. */
const Reply *reply_of(Shape shape);

/* What the two doors share. */
void add_word(Text *text, const Shape *shape, int number);
void add_words(Text *text, const Shape *shape);
void add_chunk(Text *bytes, Text *data); /* empties `data` */
void add_answer(Text *bytes, const Text *body);
void mark(Reply *reply, int number);

/* They write a reply's bytes and the marks between its ends. */
void chat_whole(Reply *reply);
void chat_stream(Reply *reply);
void responses_whole(Reply *reply);
void responses_stream(Reply *reply);

#endif
