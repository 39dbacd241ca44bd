/*
 * The keys are divided over the CPUs: each has a shard, in its own memory, and
 * a thread there that does what it is asked for. A CPU with connections asks
 * the others by messages and is answered by messages; with its own shard it
 * does it itself.
 *
 * A call is a command that runs on one or several shards. It is in the memory
 * of the CPU that asks. Its words do not change while it is under way; each of
 * its slots belongs to the shard that it was sent to, until it is sent back.
 */
#ifndef TORC_APPS_KVSTORE_SHARD_H
#define TORC_APPS_KVSTORE_SHARD_H

#include "apps/kvstore/commands.h"
#include <torc/list.h>

struct kv_connection;

struct kv_slot {
    struct kv_call *call;
    struct kv_part part;
    unsigned cpu;
    bool is_used;
};

struct kv_call {
    struct queue_node node;           /* in kv_connection.calls */
    struct kv_connection *connection; /* NULL: it is gone */
    struct kv_run run;                /* its out is `reply` */
    struct resp_text reply;
    unsigned home_cpu; /* which asks */
    unsigned waiting;  /* slots that are not back */
    bool is_done;
    struct span *argv;
    struct kv_slot slots[]; /* for each CPU; then argv, then the words */
};

enum {
    KV_CALLS_MAX = 4096, /* slots under way, of the connections of all CPUs */
    KV_ASKING_MAX = 16,  /* CPUs that have connections: net_start_all() */
};

/*
 * Make a shard on each CPU.
 *   max_bytes  of each; 0: three quarters of what is free there now
 *   answered   is called on the CPU that has asked, in a thread there, with
 * each call whose slots are all back; and with NULL when no more are there
 * Returns 0, -ENOMEM, -EAGAIN (threads). Once.
 */
must_check int kv_shards_start(uint64_t max_bytes,
                               void (*answered)(struct kv_call *call));

/* A command with a copy of its words; NULL: no memory. */
must_check struct kv_call *kv_call_create(const struct kv_run *run);
void kv_call_free(struct kv_call *call);

/* Whether another call can be sent now. */
bool kv_call_has_room(void);

/*
 * Run a call: what this CPU has of it now, the rest by messages. It is done at
 * once when nothing is under way: call->is_done.
 */
void kv_call_send(struct kv_call *call);

/* Run a command of this CPU's shard alone, and append its reply. */
void kv_run_here(struct kv_run *run);

/* Whether it needs this CPU's shard alone, or none. */
bool kv_is_here(const struct kv_run *run);

#endif
