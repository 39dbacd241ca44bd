/*
 * A disk in memory that remembers what was written, and in which order: each
 * write, each flush, and marks that the test sets between them. From this log
 * states.h makes what a crash could have left.
 */
#ifndef TORC_TESTS_CRASH_DISK_H
#define TORC_TESTS_CRASH_DISK_H

#include "kernel/device/block_driver.h"

enum crash_kind {
    CRASH_WRITE,
    CRASH_FLUSH, /* all writes before it are durable */
    CRASH_MARK,  /* the test's */
};

struct crash_event {
    enum crash_kind kind;
    bool is_durable; /* of a write: FUA */
    uint64_t sector;
    uint32_t sectors;
    uint8_t *data; /* of a write, malloc() */
    int mark;
};

struct crash_log {
    struct crash_event *event;
    size_t count, room;
};

struct crash_disk {
    struct block_device block;
    uint8_t *image; /* what reads see; the test's */
    struct crash_log log;
    bool is_recording;

    /* Set by the test: */
    unsigned drop_flush; /* the n-th flush says that it is done, and is not */
    bool drops_all;      /* none is */
};

/* Fill it and register it, without looking for partitions, and give it to this
 * CPU: `size` bytes of `image`, with a volatile cache, and FUA if so. */
void crash_disk_init(struct crash_disk *disk, uint8_t *image, size_t size,
                     bool has_fua);

/* Forget the log, and record from now on. */
void crash_disk_record(struct crash_disk *disk);

/* A mark in the log. */
void crash_disk_mark(struct crash_disk *disk, int mark);

void crash_log_free(struct crash_log *log);

#endif
