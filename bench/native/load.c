/* `load PORT CONNECTIONS SECONDS RAMP PATIENCE json|stream|stamped < request`: keeps connections busy, and measures.

   Each connection sends the request again as soon as it is answered, until SECONDS after the last one came; they come in
   over RAMP seconds. What isn't answered PATIENCE seconds after that is an error. The figures are one line of JSON, times in
   seconds; bench/load.py does and prints the same, more slowly. */

#include "answer.h"
#include "wire.h"

typedef struct {
    double *values;
    size_t count, room;
} Samples;

typedef struct {
    int socket, sent, spoke, waiting; /* sent: bytes of the request */
    int64_t started;
    Answer answer;
} Client;

static enum { JSON, STREAM, STAMPED } kind;
static Text request;
static int polling, port, open_clients;
static int64_t until;
static Samples latencies, first_tokens, added;
static long events, errors;
static char error[300];

static void sample(Samples *samples, double value) {
    if (samples->count == samples->room)
        samples->values = enough(samples->values, (samples->room = 2 * samples->room + 1024) * sizeof(double));
    samples->values[samples->count++] = value;
}

static void count_error(const char *what, const char *more) {
    if (!errors++) snprintf(error, sizeof error, "%s%s", what, more);
}

static void hang_up(Client *client) {
    close(client->socket);
    client->socket = -1;
    release(&client->answer.text);
    open_clients--;
}

static void watch(Client *client, int how, uint32_t what) {
    struct epoll_event event = {.events = what, .data.ptr = client};
    epoll_ctl(polling, how, client->socket, &event);
}

static void send_request(Client *client) {
    ssize_t sent = send(client->socket, request.data + client->sent, request.length - (size_t)client->sent, MSG_NOSIGNAL);
    if (sent > 0) client->sent += (int)sent;
    int more = (size_t)client->sent < request.length;
    if (more != client->waiting) watch(client, EPOLL_CTL_MOD, more ? EPOLLIN | EPOLLOUT : EPOLLIN);
    client->waiting = more;
}

static void ask(Client *client) {
    begin(&client->answer);
    client->sent = client->spoke = 0;
    client->started = now();
    send_request(client);
}

static void come(Client *client) {
    struct sockaddr_in address = loopback(port);
    client->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    open_clients++;
    if (client->socket < 0 || (connect(client->socket, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)) {
        count_error("no connection: ", strerror(errno));
        hang_up(client);
        return;
    }
    send_at_once(client->socket);
    watch(client, EPOLL_CTL_ADD, EPOLLIN);
    ask(client);
}

/* The stamps of a token's event: ~nanoseconds~, each of its own length. */
static void read_stamps(const char *at, const char *end, int64_t moment) {
    while ((at = memchr(at, '~', (size_t)(end - at)))) {
        char *after;
        int64_t stamp = strtoll(++at, &after, 10);
        if (after > at && after < end && *after == '~') sample(&added, (double)(moment - stamp) / SECOND), at = after + 1;
    }
}

/* One line of a stream. Most servers say an event's type at the start of its data, some at the end. */
static void read_line(Client *client, const char *line, size_t length, int64_t moment) {
    if (length < 7 || memcmp(line, "data: {", 7)) return;
    events++;
    const char *type = memmem(line, length, "\"response.", 10);
    if (!type) return;
    type += 10;
    if (!strncmp(type, "output_text.delta\"", 18)) {
        if (!client->spoke) sample(&first_tokens, (double)(moment - client->started) / SECOND);
        client->spoke = 1;
        if (kind == STAMPED) read_stamps(line, line + length, moment);
    } else if (!strncmp(type, "completed\"", 10)) {
        client->answer.completed = 1;
    } else if (!strncmp(type, "failed\"", 7)) {
        const char *why = memmem(line, length, "\"error\":{", 9);
        note(&client->answer, why ? why : line, length - (size_t)((why ? why : line) - line));
    }
}

static void read_events(Client *client, int64_t moment) {
    Text *text = &client->answer.text;
    size_t start = 0;
    for (char *end; (end = memchr(text->data + start, '\n', text->length - start)); start = (size_t)(end - text->data) + 1) {
        char *line = text->data + start;
        *end = 0;
        read_line(client, line, (size_t)(end - line), moment);
    }
    drop(text, start);
}

static void conclude(Client *client, int64_t moment) {
    Answer *answer = &client->answer;
    char words[32];
    sample(&latencies, (double)(moment - client->started) / SECOND);
    snprintf(words, sizeof words, "%d: ", answer->status);
    if (answer->status != 200) count_error(words, answer->note);
    else if (kind != JSON && !answer->completed) count_error("a stream without its end: ", answer->note);
    if (moment >= until) hang_up(client);
    else ask(client);
}

static void read_from(Client *client) {
    static char piece[PIECE];
    ssize_t got = read(client->socket, piece, sizeof piece);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) {
        count_error("the connection was closed: ", got ? strerror(errno) : "by the server");
        hang_up(client);
        return;
    }
    Answer *answer = &client->answer;
    feed(answer, piece, (size_t)got, kind != JSON);
    int64_t moment = now();
    if (kind != JSON && answer->status == 200 && answer->text.length) read_events(client, moment);
    if (answer->whole) conclude(client, moment);
}

/* Until all have come and gone, or the time is up. */
static void run(Client *clients, int connections, double ramp, int64_t patience) {
    static struct epoll_event ready[512];
    int64_t started = now();
    int come_so_far = 0;
    until += started;
    while (come_so_far < connections || open_clients) {
        int64_t moment = now(), next = until + patience;
        for (; come_so_far < connections; come_so_far++) {
            int64_t due = started + (int64_t)(ramp * SECOND * come_so_far / connections);
            if (due > moment) {
                next = due;
                break;
            }
            come(&clients[come_so_far]);
        }
        if (moment >= until + patience) break;
        int count = epoll_wait(polling, ready, 512, (int)((next - moment) / 1000000) + 1);
        for (int i = 0; i < count; i++) {
            Client *client = ready[i].data.ptr;
            if (ready[i].events & ~EPOLLOUT) read_from(client);
            else send_request(client);
        }
    }
    for (int i = 0; i < come_so_far; i++)
        if (clients[i].socket >= 0) count_error("not answered in time", "");
}

static int by_size(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void print_samples(const char *name, Samples *samples) {
    if (!samples->count) {
        printf("\"%s_p50\":null,\"%s_p99\":null,", name, name);
        return;
    }
    qsort(samples->values, samples->count, sizeof(double), by_size);
    const double *values = samples->values;
    printf("\"%s_p50\":%.9f,", name, values[(size_t)((double)samples->count * 0.5)]);
    printf("\"%s_p99\":%.9f,", name, values[(size_t)((double)samples->count * 0.99)]);
}

static void print_figures(double seconds) {
    printf("{\"requests\":%zu,\"events\":%ld,\"errors\":%ld,\"seconds\":%.6f,", latencies.count, events, errors, seconds);
    print_samples("latency", &latencies);
    print_samples("first", &first_tokens);
    print_samples("added", &added);
    for (char *at = error; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~' || *at == '"' || *at == '\\') *at = '\'';
    printf("\"error\":\"%s\"}\n", error);
}

int main(int argc, char **argv) {
    if (argc != 7) return fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS RAMP PATIENCE json|stream|stamped\n"), 2;
    int connections = atoi(argv[2]);
    double seconds = atof(argv[3]), ramp = atof(argv[4]), patience = atof(argv[5]);
    kind = !strcmp(argv[6], "json") ? JSON : !strcmp(argv[6], "stream") ? STREAM : STAMPED;
    port = atoi(argv[1]);
    for (ssize_t got = 1; got > 0; request.length += (size_t)got) {
        make_room(&request, PIECE);
        if ((got = read(0, request.data + request.length, PIECE)) < 0) fail("read");
    }
    polling = epoll_create1(EPOLL_CLOEXEC);
    Client *clients = calloc((size_t)connections, sizeof *clients);
    if (!clients) fail("calloc");
    until = (int64_t)((seconds + ramp) * SECOND);
    int64_t started = now();
    run(clients, connections, ramp, (int64_t)(patience * SECOND));
    print_figures((double)(now() - started) / SECOND);
    return 0;
}
