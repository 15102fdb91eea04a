/* An HTTP answer, read piece by piece: its head, then a body of a known length or in chunks. */

#ifndef ANSWER_H
#define ANSWER_H

#include "wire.h"

typedef struct {
    enum { HEAD, BODY, SIZE, CHUNK, CHUNK_END, TRAILER } state;
    int status, whole, completed; /* completed: a stream that said so itself */
    size_t left;                  /* of the body or the chunk */
    Text text;                    /* the unread head, chunk size or body; the reader drops what it has read of the body */
    char line[32], note[200];     /* a chunk's size so far; the first words of what went wrong */
} Answer;

/* Ready for the next answer, with the room that it had. */
void begin(Answer *answer);

/* Keeps the first words for a message. */
void note(Answer *answer, const char *words, size_t length);

/* Takes bytes as they came; `keep` the body of a good answer in `text`. Sets `whole` at the end. */
void feed(Answer *answer, const char *data, size_t length, int keep);

#endif
