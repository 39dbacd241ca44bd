/*
 * Connections of clients: requests are parsed as they come, run at once where
 * this CPU can, or sent to the CPUs that have their keys; replies go out in the
 * order of the requests.
 *
 * A connection stops reading, and TCP's window closes, while it has
 * KV_PENDING_MAX requests under way, KV_OUT_MAX bytes that the client does not
 * take, or KV_HELD_MAX bytes of replies: those that are not sent, and one of
 * the longest value for each that is still to come.
 *
 * Owner: the CPU that the connection is on.
 */
#ifndef TORC_APPS_KVSTORE_SERVER_H
#define TORC_APPS_KVSTORE_SERVER_H

#include "apps/kvstore/shard.h"
#include <stdint.h>
#include <torc/compiler.h>
#include <torc/net.h>

enum {
    KV_PENDING_MAX = 256,
    KV_OUT_MAX = 256 * 1024,
    KV_HELD_MAX = 32 * 1024 * 1024,
    KV_IN_FIRST = 4096, /* room for a request at first */
};

struct kv_connection {
    struct socket *socket;
    struct list stalled_link; /* waits for room for calls */
    struct list dirty_link;   /* has got replies */
    char *in;                 /* received, [in_at, in_len) not parsed yet */
    size_t in_at;
    size_t in_len;
    size_t in_size;
    struct resp_text out; /* [out_sent, len) not sent yet */
    size_t out_sent;
    struct queue calls; /* whose replies come next, in order */
    unsigned pending;   /* of them, */
    unsigned awaited;   /* of which so many are not done, */
    size_t done_bytes;  /* and the replies of the others have so many */
    unsigned proto;     /* 2 or 3 */
    bool is_ending;     /* no more requests; close when all is sent */
    bool is_stopped;    /* it has stopped reading; see above */
    bool is_lost;       /* closed or aborted */
};

struct kv_options {
    uint16_t port;
    unsigned connections_max; /* of each CPU */
    uint64_t max_bytes;       /* of each CPU; 0: see kv_shards_start() */
    uint64_t value_max;       /* bytes */
};

/* Serve on every CPU that has the card. Returns 0, or as kv_shards_start() and
 * service_register_all(). */
must_check int kv_serve(const struct kv_options *options);

/* The invariants of a connection between two events. */
void kv_connection_check(const struct kv_connection *connection);

#endif
