/*
 * Honest clients:
 *
 *   honest ADDRESS PORT SECONDS CLIENTS PATH FILE
 *
 * Each client opens a connection, asks for PATH REQUESTS times, compares what
 * comes with FILE, and begins again after a pause. A request is served when its
 * answer is right and complete within LIMIT_S. Prints
 *
 *   served N failed N p50 US p99 US max US
 *
 * where the time of the first request of a connection has its handshake in it.
 */
#include "tests/bench/link_end.h"
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
    REQUESTS = 4, /* of a connection */
    PAUSE_US = 2000,
    LIMIT_S = 10,
    SAMPLES = 1 << 20,
    ANSWER_MAX = 1 << 20,
};

static struct sockaddr_storage to;
static socklen_t to_len;
static char request[600];
static char *file;
static size_t file_len;
static uint64_t until;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t samples[SAMPLES];
static unsigned served, failed;

static void note(bool is_served, uint64_t ns, const char *why)
{
    pthread_mutex_lock(&lock);
    if (is_served && served < SAMPLES)
        samples[served++] = (uint32_t)(ns / 1000);
    if (!is_served && ++failed <= 5)
        fprintf(stderr, "honest: %s (%s) after %.3f s\n", why, strerror(errno),
                (double)ns / 1e9);
    pthread_mutex_unlock(&lock);
}

/* One answer; NULL, or what is wrong with it. */
static const char *receive(int fd, char *answer)
{
    size_t len = 0, whole = 0;

    while (whole == 0 || len < whole) {
        ssize_t got = recv(fd, answer + len, ANSWER_MAX - 1 - len, 0);
        char *end;

        if (got <= 0)
            return got < 0 ? "no answer" : "an early end";
        len += (size_t)got;
        answer[len] = '\0';
        end = whole == 0 ? strstr(answer, "\r\n\r\n") : NULL;
        if (end != NULL)
            whole = (size_t)(end + 4 - answer) + file_len;
    }
    if (len != whole || strncmp(answer, "HTTP/1.1 200 ", 13) != 0 ||
        memcmp(answer + whole - file_len, file, file_len) != 0)
        return "a wrong answer";
    return NULL;
}

static void connection(char *answer)
{
    struct timeval limit = {LIMIT_S, 0};
    uint64_t begin = link_now_ns();
    int fd = socket(to.ss_family, SOCK_STREAM, 0);
    const char *wrong = NULL;

    if (fd < 0)
        link_die("socket");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, (struct sockaddr *)&to, to_len) != 0)
        wrong = "no connection";
    for (unsigned i = 0; i < REQUESTS && wrong == NULL; i++) {
        if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
            wrong = "no request";
        else
            wrong = receive(fd, answer);
        if (wrong == NULL)
            note(true, link_now_ns() - begin, NULL);
        begin = wrong == NULL ? link_now_ns() : begin;
    }
    if (wrong != NULL)
        note(false, link_now_ns() - begin, wrong);
    close(fd);
}

static void *client(void *unused)
{
    char *answer = malloc(ANSWER_MAX);

    (void)unused;
    if (answer == NULL)
        link_die("memory");
    while (link_now_ns() < until) {
        connection(answer);
        usleep(PAUSE_US);
    }
    free(answer);
    return NULL;
}

static void read_file(const char *name)
{
    FILE *in = fopen(name, "rb");

    file = malloc(ANSWER_MAX / 2);
    if (in == NULL || file == NULL)
        link_die(name);
    file_len = fread(file, 1, ANSWER_MAX / 2, in);
    fclose(in);
}

static void address(const char *host, const char *port)
{
    struct sockaddr_in *four = (struct sockaddr_in *)&to;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&to;

    if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)atoi(port));
        to_len = sizeof(*four);
        return;
    }
    if (inet_pton(AF_INET6, host, &six->sin6_addr) != 1)
        link_die(host);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons((uint16_t)atoi(port));
    to_len = sizeof(*six);
}

static int by_size(const void *a, const void *b)
{
    const uint32_t *left = a, *right = b;

    return (*left > *right) - (*left < *right);
}

int main(int argc, char **argv)
{
    pthread_t threads[64];
    int count;

    if (argc != 7) {
        fprintf(stderr,
                "usage: honest ADDRESS PORT SECONDS CLIENTS PATH FILE\n");
        return 2;
    }
    address(argv[1], argv[2]);
    until = link_now_ns() + (uint64_t)(atof(argv[3]) * 1e9);
    count = atoi(argv[4]);
    snprintf(request, sizeof(request), "GET %.500s HTTP/1.1\r\nHost: a\r\n\r\n",
             argv[5]);
    read_file(argv[6]);
    for (int i = 0; i < count && i < 64; i++)
        if (pthread_create(&threads[i], NULL, client, NULL) != 0)
            link_die("thread");
    for (int i = 0; i < count && i < 64; i++)
        pthread_join(threads[i], NULL);
    qsort(samples, served, sizeof(samples[0]), by_size);
    printf("served %u failed %u p50 %u p99 %u max %u\n", served, failed,
           served > 0 ? samples[served / 2] : 0,
           served > 0 ? samples[served * 99UL / 100] : 0,
           served > 0 ? samples[served - 1] : 0);
    return 0;
}
