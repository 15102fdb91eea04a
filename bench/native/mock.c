/* `mock PORT`: a model server that costs next to nothing. Every reply is made once a shape and then copied.

   It speaks /v1/chat/completions, /v1/responses and /v1/models, whole and as SSE, and says byte for byte what
   bench/upstream.py says. The prompt says what a reply looks like: bench:TOKENS:PAUSE_MS:STAMPED:CALLS, the last of them
   counts. Each reply has ids of its own; tokens of a stamped one carry the time that they were sent at. */

#include <signal.h>
#include <sys/syscall.h>

#include "replies.h"

#define MODELS_ANSWER                                                            \
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 74\r\n\r\n" \
    "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"owned_by\":\"mock\"}]}"
#define LOST_ANSWER "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n"

typedef struct Connection {
    int socket, writing;          /* writing: epoll tells when there is room again */
    Text in, out;                 /* what was read and not answered; what there was no room for */
    const Reply *reply;           /* the paced one that is being sent, or NULL */
    int token, place;             /* its next token; its place among the timers, -1: none */
    int64_t due, *stamps;
    char id[ID_LENGTH + 1];
} Connection;

static int polling;
static unsigned count;
static Text scratch;

static Connection **timers; /* a heap: none is due before the one above it */
static int waiting, timers_room;

static void put(int place, Connection *connection) {
    timers[place] = connection;
    connection->place = place;
}

static void sift(int place) {
    Connection *moved = timers[place];
    for (; place && moved->due < timers[(place - 1) / 2]->due; place = (place - 1) / 2) put(place, timers[(place - 1) / 2]);
    for (int child; (child = 2 * place + 1) < waiting; place = child) {
        if (child + 1 < waiting && timers[child + 1]->due < timers[child]->due) child++;
        if (timers[child]->due >= moved->due) break;
        put(place, timers[child]);
    }
    put(place, moved);
}

static void wake_at(Connection *connection, int64_t due) {
    connection->due = due;
    if (connection->place < 0) {
        if (waiting == timers_room) timers = enough(timers, (size_t)(timers_room = 2 * timers_room + 64) * sizeof *timers);
        put(waiting++, connection);
    }
    sift(connection->place);
}

static void forget(Connection *connection) {
    int place = connection->place;
    if (place < 0) return;
    connection->place = -1;
    if (place == --waiting) return;
    put(place, timers[waiting]);
    sift(place);
}

static void watch(Connection *connection, int how, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = connection};
    epoll_ctl(polling, how, connection->socket, &event);
}

static void hang_up(Connection *connection) {
    forget(connection);
    close(connection->socket);
    release(&connection->in);
    release(&connection->out);
    free(connection->stamps);
    free(connection);
}

/* Errors are left to the next read, which sees them too. */
static void flush(Connection *connection) {
    ssize_t sent = write(connection->socket, connection->out.data, connection->out.length);
    if (sent > 0) drop(&connection->out, (size_t)sent);
    int more = connection->out.length > 0;
    if (more != connection->writing) watch(connection, EPOLL_CTL_MOD, more ? EPOLLIN | EPOLLOUT : EPOLLIN);
    connection->writing = more;
}

static void say(Connection *connection, const char *data, size_t length) {
    if (!connection->out.length) {
        ssize_t sent = write(connection->socket, data, length);
        if (sent == (ssize_t)length) return;
        if (sent > 0) data += sent, length -= (size_t)sent;
    }
    append(&connection->out, data, length);
    flush(connection);
}

/* Some of a reply, from one mark to another, with this connection's id and stamps in it. */
static void say_part(Connection *connection, const Reply *reply, int from, int to) {
    size_t start = reply->marks[from].at, end = reply->marks[to].at;
    scratch.length = 0;
    append(&scratch, reply->bytes.data + start, end - start);
    for (int i = reply->marks[from].ids; i < reply->marks[to].ids; i++)
        memcpy(scratch.data + reply->ids[i] - start, connection->id, ID_LENGTH);
    for (int i = reply->marks[from].stamps; connection->stamps && i < reply->marks[to].stamps; i++) {
        char stamp[STAMP_LENGTH + 1];
        snprintf(stamp, sizeof stamp, "~%0*lld~", STAMP_LENGTH - 2, (long long)connection->stamps[i % reply->shape.tokens]);
        memcpy(scratch.data + reply->stamps[i] - start, stamp, STAMP_LENGTH);
    }
    say(connection, scratch.data, scratch.length);
}

static void say_next_token(Connection *connection) {
    const Reply *reply = connection->reply;
    if (connection->token == reply->shape.tokens) {
        connection->reply = NULL;
        forget(connection);
        say_part(connection, reply, reply->shape.tokens + 1, reply->shape.tokens + 2);
        return;
    }
    if (connection->stamps) connection->stamps[connection->token] = now();
    connection->token++;
    say_part(connection, reply, connection->token, connection->token + 1);
    wake_at(connection, connection->due + reply->shape.pause_ms * (SECOND / 1000));
}

static void answer(Connection *connection, const char *path, size_t path_length, const char *body, size_t length) {
    int door = door_of(path, path_length);
    if (door != CHAT && door != RESPONSES) {
        const char *text = door == MODELS ? MODELS_ANSWER : LOST_ANSWER;
        say(connection, text, strlen(text));
        return;
    }
    snprintf(connection->id, sizeof connection->id, "%0*u", ID_LENGTH, ++count);
    free(connection->stamps);
    connection->stamps = NULL;
    const Reply *reply = reply_of(shape_of(door, body, length));
    int last = reply->shape.stream ? reply->shape.tokens + 2 : 1;
    if (!reply->shape.stream || !(reply->shape.pause_ms || reply->shape.stamped)) {
        say_part(connection, reply, 0, last);
        return;
    }
    if (reply->shape.stamped) connection->stamps = enough(NULL, (size_t)reply->shape.tokens * sizeof(int64_t));
    connection->reply = reply;
    connection->token = 0;
    say_part(connection, reply, 0, 1);
    wake_at(connection, now() + reply->shape.pause_ms * (SECOND / 1000));
}

/* Answers what is whole. */
static void listen_to(Connection *connection) {
    Text *in = &connection->in;
    size_t start = 0;
    for (char *end; (end = memmem(in->data + start, in->length - start, "\r\n\r\n", 4)); ) {
        char *head = in->data + start;
        *end = 0;
        const char *value = header(head, "\r\ncontent-length:");
        size_t length = value ? strtoul(value, NULL, 10) : 0;
        size_t whole = (size_t)(end - head) + 4 + length;
        if (in->length - start < whole) {
            *end = '\r';
            break;
        }
        char *path = strchr(head, ' ');
        path = path ? path + 1 : head;
        answer(connection, path, strcspn(path, " "), end + 4, length);
        start += whole;
    }
    drop(in, start);
}

static void read_from(Connection *connection) {
    Text *in = &connection->in;
    make_room(in, in->length ? PIECE : 4096);
    ssize_t got = read(connection->socket, in->data + in->length, in->room - in->length - 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        hang_up(connection);
        return;
    }
    in->length += (size_t)got;
    in->data[in->length] = 0;
    listen_to(connection);
}

static void welcome(int listener) {
    for (int socket; (socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        Connection *connection = enough(NULL, sizeof *connection);
        *connection = (Connection){.socket = socket, .place = -1};
        send_at_once(socket);
        watch(connection, EPOLL_CTL_ADD, EPOLLIN);
    }
}

static int listen_at(int port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in address = loopback(port);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 8192)) fail("listen");
    return listener;
}

static int wait_for_events(struct epoll_event *events, int most) {
    struct timespec left = {0}, *limit = NULL;
    if (waiting) {
        int64_t wait = timers[0]->due - now();
        if (wait < 0) wait = 0;
        left.tv_sec = wait / SECOND;
        left.tv_nsec = wait % SECOND;
        limit = &left;
    }
    /* Linux 5.11; it takes nanoseconds, where epoll_wait takes milliseconds. */
    int ready = (int)syscall(SYS_epoll_pwait2, polling, events, most, limit, NULL, (size_t)0);
    if (ready < 0 && errno != EINTR) fail("epoll_pwait2");
    return ready;
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: mock PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_at(atoi(argv[1]));
    polling = epoll_create1(EPOLL_CLOEXEC);
    static struct epoll_event events[512];
    struct epoll_event door = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(polling, EPOLL_CTL_ADD, listener, &door);
    for (;;) {
        int ready = wait_for_events(events, 512);
        for (int i = 0; i < ready; i++) {
            Connection *connection = events[i].data.ptr;
            if (!connection) welcome(listener);
            else if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(connection);
            else flush(connection);
        }
        for (int64_t at = now(); waiting && timers[0]->due <= at;) say_next_token(timers[0]);
    }
}
