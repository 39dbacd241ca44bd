#include "race.h"
#include "model.h"
#include "threads.h"
#include "trail.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { RECORDS = 15 }; /* live accesses to one word */

struct record {
    uint16_t epoch; /* the clock of `thread` then */
    uint8_t mask;   /* bytes of the word */
    uint8_t thread : 7;
    uint8_t write : 1;
    uint32_t site;
};

/* Eight bytes of memory. */
struct shadow {
    uint32_t noted; /* trail_now then */
    uint32_t count;
    struct record record[RECORDS];
};

static struct {
    uintptr_t base;
    size_t size;
    struct shadow *shadow; /* one a word */
    uint8_t *location;     /* one a byte */
} race;

extern char __data_start[];
extern char _end[];

static void *reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    (void)madvise(memory, size, MADV_HUGEPAGE);
    return memory;
}

void race_init(void)
{
    race.base = (uintptr_t)__data_start & ~(uintptr_t)7;
    race.size = ((uintptr_t)_end + 7 - race.base) & ~(uintptr_t)7;
    race.shadow = reserve(race.size / 8 * sizeof(struct shadow));
    race.location = reserve(race.size);
}

bool race_watches(uintptr_t address)
{
    return address - race.base < race.size;
}

uint8_t *race_location(uintptr_t address)
{
    return &race.location[address - race.base];
}

static struct shadow *shadow_at(uintptr_t address)
{
    return &race.shadow[(address - race.base) >> 3];
}

/* The word, or what is known of it, will change. */
static void note(struct shadow *shadow, uintptr_t address)
{
    if (shadow->noted == trail_now)
        return;
    trail_note((void *)(address & ~(uintptr_t)7), sizeof(uint64_t));
    trail_note(shadow, offsetof(struct shadow, record) +
                           shadow->count * sizeof(struct record));
    shadow->noted = trail_now;
}

void race_save(uintptr_t address)
{
    note(shadow_at(address), address);
}

static const char *kind(bool write)
{
    return write ? "write" : "read";
}

static void conflict(const struct record *record, uintptr_t address, bool write,
                     const char *how, const void *site)
{
    wmm_fail("data race at %#lx: %s by thread %u at %#x, %s%s by thread %u at "
             "%#lx",
             (unsigned long)address, kind(record->write), record->thread,
             record->site, how, kind(write), thread_now, (unsigned long)site);
}

/*
 * Whether the running thread has made such an access before, in this epoch: the
 * records older than that one were looked at then, and whoever came later has
 * looked at it.
 */
static bool is_covered(const struct shadow *shadow, unsigned epoch,
                       uint8_t mask, bool write)
{
    for (unsigned i = 0; i < shadow->count; i++) {
        const struct record *record = &shadow->record[i];

        if (record->thread == thread_now && record->epoch == epoch &&
            (mask & ~record->mask) == 0 && record->write >= write)
            return true;
    }
    return false;
}

/*
 * The records of a word are accesses that a later one could still race with.
 * One that happened before the new access and touches no byte more is left out,
 * unless it is a write and the new one a read: what races with it and comes
 * after the new one, races with the new one as well.
 */
static void word_access(uintptr_t address, uint8_t mask, bool write,
                        const void *site)
{
    struct shadow *shadow = shadow_at(address);
    unsigned epoch = model_epoch(thread_now);
    unsigned kept = 0;

    if (write)
        note(shadow, address);
    if (is_covered(shadow, epoch, mask, write))
        return;
    note(shadow, address);
    for (unsigned i = 0; i < shadow->count; i++) {
        struct record record = shadow->record[i];

        if (model_knows(record.thread) >= record.epoch) {
            if ((record.mask & ~mask) == 0 && (write || !record.write))
                continue;
        } else if ((record.mask & mask) != 0 && (record.write || write)) {
            conflict(&record, address, write, "", site);
        }
        shadow->record[kept++] = record;
    }
    if (kept == RECORDS)
        wmm_fail("too many accesses to one word to remember");
    shadow->record[kept] =
        (struct record){(uint16_t)epoch, mask, (uint8_t)(thread_now & 127),
                        write, (uint32_t)(uintptr_t)site};
    shadow->count = kept + 1;
}

void race_access(uintptr_t address, size_t size, bool write, const void *site)
{
    if (!threads_active || !race_watches(address))
        return;
    while (size > 0) {
        unsigned first = address & 7;
        size_t count = size < 8 - first ? size : 8 - first;
        uint8_t mask = (uint8_t)(((1U << count) - 1) << first);

        word_access(address, mask, write, site);
        if (*(uint64_t *)(void *)&race
                 .location[(address & ~(uintptr_t)7) - race.base] != 0)
            model_plain(address, count, write, site);
        address += count;
        size -= count;
    }
}

void race_against_plain(uintptr_t address, size_t size, bool write,
                        const void *site)
{
    struct shadow *shadow = shadow_at(address);
    uint8_t mask = (uint8_t)(((1U << size) - 1) << (address & 7));

    for (unsigned i = 0; i < shadow->count; i++) {
        const struct record *record = &shadow->record[i];

        if ((record->mask & mask) != 0 && (record->write || write) &&
            model_knows(record->thread) < record->epoch)
            conflict(record, address, write, "atomic ", site);
    }
}
