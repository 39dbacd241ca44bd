/*
 * The kernel's TCP in `make bench-net`: a server, and the client of both
 * servers. Each checks every byte.
 *
 *   net_peer serve PORT
 *   net_peer get|put ADDRESS PORT BYTES SECONDS
 *
 * The client prints "BYTES-MOVED SECONDS": from before it connects until the
 * last byte has come, or is acknowledged by the server's application; or until
 * SECONDS are over. A reset or a wrong byte is an error.
 */
#include "tests/bench/transfer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 60 }; /* seconds, with one client */

static uint8_t pattern[TRANSFER_PERIOD + TRANSFER_PIECE];
static uint8_t piece[TRANSFER_PIECE];

static void die(const char *what)
{
    fprintf(stderr, "net_peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool is_server; /* whose client may go: that is no error */

static void peer_gone(const char *what)
{
    if (is_server)
        _exit(0);
    die(what);
}

/* Both return how many bytes were moved until the end of time. */
static uint64_t receive_all(int fd, uint64_t bytes, double end)
{
    uint64_t done = 0;

    while (done < bytes && now() < end) {
        size_t want =
            bytes - done < sizeof(piece) ? bytes - done : sizeof(piece);
        ssize_t len = recv(fd, piece, want, 0);

        if (len < 0 && errno == EAGAIN)
            continue;
        if (len <= 0)
            peer_gone("recv");
        if (memcmp(piece, pattern + done % TRANSFER_PERIOD, (size_t)len) != 0) {
            errno = EBADMSG;
            die("wrong bytes");
        }
        done += (uint64_t)len;
    }
    return done;
}

static uint64_t send_all(int fd, uint64_t bytes, double end)
{
    uint64_t done = 0;

    while (done < bytes && now() < end) {
        size_t want =
            bytes - done < sizeof(piece) ? bytes - done : sizeof(piece);
        ssize_t len =
            send(fd, pattern + done % TRANSFER_PERIOD, want, MSG_NOSIGNAL);

        if (len < 0 && errno == EAGAIN)
            continue;
        if (len < 0)
            peer_gone("send");
        done += (uint64_t)len;
    }
    return done;
}

static void serve_one(int fd)
{
    char request[TRANSFER_REQUEST + 1] = "";
    uint64_t bytes;

    if (recv(fd, request, TRANSFER_REQUEST, MSG_WAITALL) != TRANSFER_REQUEST)
        return;
    bytes = strtoull(request + 1, NULL, 10);
    if (request[0] == 'G') {
        (void)send_all(fd, bytes, now() + 1e6);
    } else {
        (void)receive_all(fd, bytes, now() + 1e6);
        (void)send(fd, "!", 1, MSG_NOSIGNAL);
    }
    (void)shutdown(fd, SHUT_WR);
    (void)recv(fd, piece, 1, 0);
}

/* A socket with CUBIC, whatever else this machine prefers. */
static int open_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
        die("cubic");
    return fd;
}

static int serve(const char *port)
{
    int fd = open_socket();
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port))};

    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(fd, 16) != 0)
        die("listen");
    signal(SIGCHLD, SIG_IGN);
    is_server = true;
    for (;;) {
        int one = accept(fd, NULL, NULL);

        if (one < 0)
            die("accept");
        if (fork() == 0) {
            close(fd);
            alarm(PATIENCE); /* the cable may be gone, and with it the client */
            serve_one(one);
            _exit(0);
        }
        close(one);
    }
}

static int client_open(const char *host, const char *port)
{
    int fd = open_socket(), on = 1;
    struct timeval patience = {.tv_usec = 100000};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(port))};

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    return fd;
}

/* How many of the bytes sent the peer has not acknowledged. */
static uint64_t unacknowledged(int fd)
{
    int left = 0;

    if (ioctl(fd, TIOCOUTQ, &left) != 0)
        die("SIOCOUTQ");
    return (uint64_t)left;
}

static int client(char **argv)
{
    uint64_t bytes = strtoull(argv[3], NULL, 10), done;
    bool is_get = strcmp(argv[0], "get") == 0;
    char request[TRANSFER_REQUEST + 1];
    double start = now(), end = start + atof(argv[4]);
    int fd = client_open(argv[1], argv[2]);

    snprintf(request, sizeof(request), "%c%014lu\n", is_get ? 'G' : 'P', bytes);
    if (send(fd, request, TRANSFER_REQUEST, 0) != TRANSFER_REQUEST)
        die("send");
    if (is_get) {
        done = receive_all(fd, bytes, end);
    } else {
        done = send_all(fd, bytes, end);
        while (done == bytes && recv(fd, piece, 1, 0) != 1 && now() < end)
            continue;
        done -= unacknowledged(fd);
    }
    printf("%lu %.6f\n", done, now() - start);
    return 0;
}

int main(int argc, char **argv)
{
    transfer_fill(pattern);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    if (argc == 6)
        return client(argv + 1);
    fprintf(stderr, "usage: net_peer serve PORT | "
                    "get|put ADDRESS PORT BYTES SECONDS\n");
    return 2;
}
