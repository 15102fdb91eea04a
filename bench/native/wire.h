/* What the mock model server and the load generator share: text that grows, the clock, sockets, HTTP's heads. */

#ifndef WIRE_H
#define WIRE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define PIECE 262144 /* bytes of one read */

typedef struct {
    char *data;
    size_t length, room;
} Text;

static inline void fail(const char *what) {
    perror(what);
    exit(1);
}

static inline void *enough(void *old, size_t bytes) {
    void *memory = realloc(old, bytes ? bytes : 1);
    if (!memory) fail("realloc");
    return memory;
}

static inline void make_room(Text *text, size_t more) {
    if (text->length + more + 1 <= text->room) return;
    text->room = 2 * text->room + more + 1;
    text->data = enough(text->data, text->room);
}

/* The text always ends in a 0 that its length doesn't count. */
static inline void append(Text *text, const char *data, size_t length) {
    make_room(text, length);
    memcpy(text->data + text->length, data, length);
    text->length += length;
    text->data[text->length] = 0;
}

__attribute__((format(printf, 2, 3))) static inline void add(Text *text, const char *format, ...) {
    va_list values, again;
    va_start(values, format);
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    make_room(text, (size_t)length);
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    text->length += (size_t)length;
    va_end(values);
    va_end(again);
}

static inline void drop(Text *text, size_t first) {
    if (!first) return;
    text->length -= first;
    memmove(text->data, text->data + first, text->length);
    text->data[text->length] = 0;
}

static inline void release(Text *text) {
    free(text->data);
    *text = (Text){0};
}

/* Nanoseconds of the clock that all processes of a machine share. */
static inline int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * SECOND + time.tv_nsec;
}

static inline struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void send_at_once(int socket) {
    int yes = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

/* The value of a header, or NULL; `name` is "\r\nname:" and the head ends in a 0. */
static inline const char *header(const char *head, const char *name) {
    const char *found = strcasestr(head, name);
    if (!found) return NULL;
    found += strlen(name);
    return found + strspn(found, " ");
}

#endif
