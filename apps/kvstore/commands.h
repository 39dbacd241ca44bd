/*
 * The commands: what they do with a table, and how what several CPUs have done
 * becomes one reply.
 */
#ifndef TORC_APPS_KVSTORE_COMMANDS_H
#define TORC_APPS_KVSTORE_COMMANDS_H

#include "apps/kvstore/resp.h"
#include "apps/kvstore/table.h"
#include <torc/siphash.h>

enum {
    KV_KEY_MAX = 64 * 1024, /* bytes of a key */
    KV_SCAN_MAX = 1000,     /* buckets that a SCAN looks at, at most */
};

/* Whom a command is for. */
enum kv_kind {
    KV_NOBODY,  /* it needs no table */
    KV_ONE,     /* the CPU that has the key, argv[1] */
    KV_SEVERAL, /* those that have the keys argv[1], argv[1 + step] ... */
    KV_ALL,     /* every CPU */
    KV_CURSOR,  /* the CPU that the cursor in argv[1] names */
};

struct kv_run;
struct kv_part;

struct kv_command {
    const char *name;
    int arity; /* words, the name included; negative: so many or more */
    enum kv_kind kind;
    unsigned step; /* KV_SEVERAL: from one key to the next */
    void (*run)(struct kv_run *run);
    /* KV_SEVERAL, KV_ALL: one reply out of those of several CPUs. */
    void (*merge)(const struct kv_run *run, struct kv_part *const *parts);
};

/* A command while it runs on a CPU. */
struct kv_run {
    const struct kv_command *command;
    unsigned argc;
    const struct span *argv;
    unsigned proto;     /* 2 or 3 */
    unsigned cpu, cpus; /* which part of the keys this is */
    struct kv_table *table;
    struct resp_text *out;
    struct kv_part *part; /* KV_SEVERAL, KV_ALL: what merge() is told */
};

/* What one CPU says of a command for several. */
struct kv_part {
    int64_t number;
    int64_t expiring, used, connections; /* of INFO */
    bool is_oom;
    struct resp_text out;
    size_t read; /* what merge() has taken of it */
};

#define KV_OOM "OOM command not allowed when used memory > 'maxmemory'."

/* The hash of a key, with the key of this start of the machine. */
uint64_t kv_hash(struct span key);
unsigned kv_owner(uint64_t hash, unsigned cpus);
void kv_hash_init(void);

/*
 * The command that a request names, if its words are of the right number. NULL:
 * there is none, and the error is appended to `out`.
 */
const struct kv_command *kv_command_find(const struct resp_request *request,
                                         struct resp_text *out);

/* The protocol that a HELLO asks for, or `now`: it names none, or is answered
 * with an error. */
unsigned kv_hello_proto(unsigned argc, const struct span *argv, unsigned now);

/* Whether CPU `cpu` has a part in it. */
bool kv_concerns(const struct kv_run *run, unsigned cpu);

/* How many connections this CPU has. */
unsigned kv_connections_here(void);

/* Milliseconds of time_ns(). */
uint64_t kv_now_ms(void);

/* The limits that CONFIG GET and INFO tell. */
struct kv_limits {
    uint64_t max_bytes; /* of all CPUs */
    uint64_t value_max;
};
extern struct kv_limits kv_limits;

#endif
