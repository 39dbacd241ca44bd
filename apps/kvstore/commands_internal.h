/* What the files of the commands share. */
#ifndef TORC_APPS_KVSTORE_COMMANDS_INTERNAL_H
#define TORC_APPS_KVSTORE_COMMANDS_INTERNAL_H

#include "apps/kvstore/commands.h"

#define KV_NO_INTEGER "ERR value is not an integer or out of range"

/* Whether this CPU has the key. */
bool kv_is_mine(const struct kv_run *run, struct span key);

/* The entry of a key on this CPU, or NULL. */
struct kv_entry *kv_run_find(const struct kv_run *run, struct span key);

/* write.c */
void kv_run_set(struct kv_run *run);
void kv_run_setnx(struct kv_run *run);
void kv_run_setex(struct kv_run *run);
void kv_run_getset(struct kv_run *run);
void kv_run_getdel(struct kv_run *run);
void kv_run_incr(struct kv_run *run);
void kv_run_decr(struct kv_run *run);
void kv_run_incrby(struct kv_run *run);
void kv_run_decrby(struct kv_run *run);
void kv_run_append(struct kv_run *run);
void kv_run_expire(struct kv_run *run);
void kv_run_ttl(struct kv_run *run);
void kv_run_persist(struct kv_run *run);

/* about.c: the connection reads HELLO's protocol and QUIT off the words. */
void kv_run_ping(struct kv_run *run);
void kv_run_echo(struct kv_run *run);
void kv_run_select(struct kv_run *run);
void kv_run_hello(struct kv_run *run);
void kv_run_config(struct kv_run *run);
void kv_run_client(struct kv_run *run);
void kv_run_command(struct kv_run *run);
void kv_run_time(struct kv_run *run);
void kv_run_quit(struct kv_run *run);

#endif
