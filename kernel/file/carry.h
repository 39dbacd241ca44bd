/*
 * Calls of <torc/file.h> that are carried to the CPU whose files they are
 * about. The caller waits; meanwhile its arguments, and the memory they point
 * to, are the other CPU's to use.
 *
 * A call is the caller's own object and waits in a list of the other CPU, so
 * waiting there takes no memory, and each thread has at most one. A few threads
 * of that CPU carry them out, oldest first: each calls the same function of
 * <torc/file.h> again.
 */
#ifndef TORC_KERNEL_CARRY_H
#define TORC_KERNEL_CARRY_H

#include "kernel/file/file_internal.h"
#include "kernel/thread/errand.h"
#include <torc/list.h>

struct carried {
    /* Call it, with what is below. By a thread of the CPU it came to. */
    int64_t (*run)(struct carried *call);

    /* What it is called with; each run() knows which of these. */
    const char *path;
    const char *path2;
    struct file *file;
    const char *name;
    const void *in;
    void *out;
    uint64_t size;
    uint64_t offset;
    uint64_t number;
    unsigned flags;
    uint32_t mode;
    bool follow;

    /* carry.c: */
    struct errand errand;
    struct serving *serving;
    struct queue_node node; /* in serving.calls */
    struct inode *start;    /* where its paths begin: held; NULL: the root */
    int64_t result;
};

void serving_init(struct serving *serving);

/* Assert what is always true of it. Owner CPU. */
void serving_check(const struct serving *serving);

/*
 * Carry a call to the CPU of call->file, or to where call->path (and, if it is
 * set, call->path2) leads. Thread, which holds no lock; waits. Returns what the
 * call returns, -ENOMEM, -EXDEV (the two paths lead to two CPUs; or the call
 * has been carried already).
 */
int64_t carry_file(struct carried *call);
int64_t carry_path(struct carried *call);

/* Carry it to a CPU which is not this one; paths begin at `start`. */
int64_t carry_to(struct carried *call, unsigned cpu, struct inode *start);

/* The same of a call that gives something back, and does not fail but for the
 * memory of that CPU, for which it waits. */
void carry_surely(struct carried *call, unsigned cpu);

#endif
