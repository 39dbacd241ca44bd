#include "explore.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * The states seen, by hash: an open-addressed table that doubles until
 * SEEN_MAX; then no more are noted, which costs time and nothing else. The low
 * four bits of an entry are the preemptions that were left, plus one.
 */
enum { SEEN_FIRST = 1 << 16, SEEN_MAX = 1 << 25 };

static struct {
    enum explore_mode mode;
    uint64_t random;
    unsigned depth;
    unsigned prefix; /* choices given: replayed before new ones are made */
    uint8_t choice[CHOICES_MAX];
    uint8_t count[CHOICES_MAX];
    unsigned long choices;
    bool without_memory;
    uint64_t *seen;
    size_t seen_size;
    size_t seen_count;
} explore;

_Noreturn static void broken(const char *why)
{
    fprintf(stderr, "wmm: %s\n", why);
    exit(3);
}

static uint64_t *table_create(size_t size)
{
    void *table = mmap(NULL, size * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (table == MAP_FAILED)
        broken("no memory");
    (void)madvise(table, size * sizeof(uint64_t), MADV_HUGEPAGE);
    return table;
}

/* Spelled as letters and digits; a trailing run of zeroes is left out. */
static const char digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

static void trace_read(const char *trace)
{
    for (; *trace != '\0' && *trace != '-'; trace++) {
        const char *digit = strchr(digits, *trace);

        if (digit == NULL || explore.prefix == CHOICES_MAX)
            broken("this is no trace");
        explore.choice[explore.prefix++] = (uint8_t)(digit - digits);
    }
}

const char *explore_trace(void)
{
    static char text[CHOICES_MAX + 2];
    unsigned end = 0;

    for (unsigned i = 0; i < explore.depth; i++) {
        text[i] = digits[explore.choice[i]];
        if (explore.choice[i] != 0)
            end = i + 1;
    }
    if (end == 0)
        text[end++] = '-';
    text[end] = '\0';
    return text;
}

void explore_begin(enum explore_mode mode, uint64_t seed, const char *trace)
{
    explore.mode = mode;
    explore.random = seed * 2 + 1;
    explore.prefix = 0;
    explore.choices = 0;
    if (trace != NULL)
        trace_read(trace);
    if (explore.seen != NULL)
        munmap(explore.seen, explore.seen_size * sizeof(uint64_t));
    explore.seen_size = SEEN_FIRST;
    explore.seen_count = 0;
    explore.seen = table_create(explore.seen_size);
}

void explore_restart(unsigned depth)
{
    explore.depth = depth;
}

unsigned explore_depth(void)
{
    return explore.depth;
}

unsigned explore_given(void)
{
    return explore.prefix;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t random_next(void)
{
    uint64_t z = explore.random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

unsigned explore_choose(unsigned count)
{
    unsigned depth = explore.depth;

    if (count == 1)
        return 0;
    if (depth == CHOICES_MAX || count >= sizeof(digits))
        broken("too many choices in one execution");
    if (depth >= explore.prefix)
        explore.choice[depth] = explore.mode == EXPLORE_RANDOM
                                    ? (uint8_t)(random_next() % count)
                                    : 0;
    if (explore.choice[depth] >= count)
        broken("a replayed execution went another way");
    explore.count[depth] = (uint8_t)count;
    explore.depth++;
    explore.choices++;
    return explore.choice[depth];
}

bool explore_next(void)
{
    unsigned depth = explore.depth;

    if (explore.mode == EXPLORE_RANDOM)
        return true;
    if (explore.mode == EXPLORE_REPLAY)
        return false;
    while (depth > 0 &&
           explore.choice[depth - 1] + 1 >= explore.count[depth - 1])
        depth--;
    explore.prefix = depth;
    if (depth == 0)
        return false;
    explore.choice[depth - 1]++;
    return true;
}

/* Where the state is in the table, or the free place for it. */
static size_t seen_place(uint64_t hash)
{
    size_t mask = explore.seen_size - 1;
    size_t at = (hash >> 20) & mask;

    while (explore.seen[at] != 0 && (explore.seen[at] ^ hash) >> 4 != 0)
        at = (at + 1) & mask;
    return at;
}

static void seen_grow(void)
{
    uint64_t *old = explore.seen;
    size_t old_size = explore.seen_size;

    explore.seen_size *= 2;
    explore.seen = table_create(explore.seen_size);
    for (size_t i = 0; i < old_size; i++) {
        if (old[i] != 0)
            explore.seen[seen_place(old[i])] = old[i];
    }
    munmap(old, old_size * sizeof(uint64_t));
}

bool explore_visited(uint64_t hash, unsigned preemptions_left)
{
    uint64_t entry = (hash & ~UINT64_C(15)) | (preemptions_left + 1);
    size_t at;

    if (explore.mode != EXPLORE_ALL || explore.without_memory ||
        explore.depth < explore.prefix)
        return false;
    at = seen_place(hash);
    if (explore.seen[at] != 0) {
        if ((explore.seen[at] & 15) >= preemptions_left + 1)
            return true;
        explore.seen[at] = entry;
        return false;
    }
    if (explore.seen_count >= explore.seen_size / 2) {
        if (explore.seen_size >= SEEN_MAX)
            return false;
        seen_grow();
        at = seen_place(hash);
    }
    explore.seen[at] = entry;
    explore.seen_count++;
    return false;
}

void explore_set_memory(bool on)
{
    explore.without_memory = !on;
}

unsigned long explore_choice_count(void)
{
    return explore.choices;
}
