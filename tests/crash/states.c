#include "tests/crash/states.h"
#include <stdlib.h>
#include <string.h>

/* A version of a sector in a window. */
struct version {
    size_t event; /* the write */
    uint32_t at;  /* sector of the write */
};

/* A sector that a window writes: its versions, oldest first. */
struct sector {
    uint64_t number;
    size_t first; /* in `versions` */
    unsigned count;
};

struct maker {
    const struct crash_log *log;
    const struct crash_limits *limits;
    bool (*tell)(void *context, const struct crash_state *state);
    void *context;
    struct crash_counts *counts;
    size_t size;
    uint8_t *durable; /* as the window begins */
    uint8_t *image;   /* the state that is being made */
    uint64_t durable_hash;
    uint64_t random;
    bool is_over;

    /* The window: */
    size_t begin, end;
    size_t applied; /* writes with FUA before that event are durable */
    size_t *writes; /* events */
    size_t write_count;
    struct sector *sectors;
    size_t sector_count;
    struct version *versions;
    unsigned *chosen; /* of each sector: 0 as it was, else version + 1 */

    uint64_t *seen; /* hashes of states told; a table with holes */
    size_t seen_size, seen_count;
};

static void *room(size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);

    if (memory == NULL)
        abort();
    return memory;
}

static uint64_t drawn(struct maker *maker)
{
    maker->random = maker->random * 6364136223846793005 + 1442695040888963407;
    return maker->random >> 33;
}

/* ---- Which states are new ------------------------------------------------ */

static uint64_t mixed(uint64_t value)
{
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
    value = (value ^ value >> 27) * 0x94d049bb133111eb;
    return value ^ value >> 31;
}

/* The hash of an image is the sum of its sectors'. */
static uint64_t sector_hash(uint64_t number, const uint8_t *data)
{
    uint64_t hash = mixed(number + 1);

    for (unsigned i = 0; i < BLOCK_SECTOR_SIZE; i += 8) {
        uint64_t word;

        memcpy(&word, data + i, 8);
        hash = mixed(hash ^ word) + i;
    }
    return hash;
}

static bool seen_add(struct maker *maker, uint64_t hash)
{
    size_t at;

    hash |= 1; /* 0 is a hole */
    if (2 * maker->seen_count >= maker->seen_size) {
        uint64_t *old = maker->seen;
        size_t old_size = maker->seen_size;

        maker->seen_size = old_size == 0 ? 1024 : 2 * old_size;
        maker->seen = room(maker->seen_size, sizeof(*maker->seen));
        maker->seen_count = 0;
        for (size_t i = 0; i < old_size; i++)
            if (old[i] != 0)
                seen_add(maker, old[i]);
        free(old);
    }
    at = (size_t)(hash % maker->seen_size);
    while (maker->seen[at] != 0 && maker->seen[at] != hash)
        at = (at + 1) % maker->seen_size;
    if (maker->seen[at] == hash)
        return false;
    maker->seen[at] = hash;
    maker->seen_count++;
    return true;
}

/* ---- One state ----------------------------------------------------------- */

static const uint8_t *version_data(const struct maker *maker,
                                   const struct sector *sector, unsigned choice)
{
    const struct version *version;

    if (choice == 0)
        return maker->durable + sector->number * BLOCK_SECTOR_SIZE;
    version = &maker->versions[sector->first + choice - 1];
    return maker->log->event[version->event].data +
           (size_t)version->at * BLOCK_SECTOR_SIZE;
}

/* Tell the state that `chosen` says, if it is new. */
static void state_tell(struct maker *maker, const char *made_by)
{
    struct crash_state state = {.image = maker->image,
                                .begin = maker->begin,
                                .end = maker->end,
                                .made_by = made_by};
    uint64_t hash = maker->durable_hash;

    if (maker->is_over)
        return;
    state.number = ++maker->counts->states;
    for (size_t i = 0; i < maker->sector_count; i++) {
        const struct sector *sector = &maker->sectors[i];

        if (maker->chosen[i] == 0)
            continue;
        hash -= sector_hash(sector->number, version_data(maker, sector, 0));
        hash += sector_hash(sector->number,
                            version_data(maker, sector, maker->chosen[i]));
    }
    /* The same bytes at another time: something else may have been promised. */
    if (!seen_add(maker, mixed(hash ^ mixed(maker->end))))
        return;
    maker->counts->distinct++;
    if (maker->limits->only != 0 && maker->limits->only != state.number)
        return;
    for (size_t i = 0; i < maker->sector_count; i++)
        memcpy(maker->image + maker->sectors[i].number * BLOCK_SECTOR_SIZE,
               version_data(maker, &maker->sectors[i], maker->chosen[i]),
               BLOCK_SECTOR_SIZE);
    maker->is_over = !maker->tell(maker->context, &state) ||
                     maker->limits->only == state.number;
}

/* ---- Kinds of states ----------------------------------------------------- */

static void choose_none(struct maker *maker)
{
    memset(maker->chosen, 0, maker->sector_count * sizeof(*maker->chosen));
}

/* Let sectors from..to-1 of a write be as it wrote them. */
static void choose(struct maker *maker, size_t event, uint32_t from,
                   uint32_t to)
{
    for (size_t i = 0; i < maker->sector_count; i++) {
        const struct sector *sector = &maker->sectors[i];

        for (unsigned k = 0; k < sector->count; k++) {
            const struct version *version = &maker->versions[sector->first + k];

            if (version->event == event && version->at >= from &&
                version->at < to)
                maker->chosen[i] = k + 1;
        }
    }
}

static void choose_write(struct maker *maker, size_t write)
{
    size_t event = maker->writes[write];

    choose(maker, event, 0, maker->log->event[event].sectors);
}

/* All choices of all sectors. */
static void make_all(struct maker *maker)
{
    choose_none(maker);
    for (;;) {
        size_t i = 0;

        state_tell(maker, "all");
        while (i < maker->sector_count &&
               maker->chosen[i] == maker->sectors[i].count)
            maker->chosen[i++] = 0;
        if (i == maker->sector_count || maker->is_over)
            return;
        maker->chosen[i]++;
    }
}

static void make_prefixes(struct maker *maker)
{
    choose_none(maker);
    state_tell(maker, "prefix");
    for (size_t i = 0; i < maker->write_count; i++) {
        uint32_t sectors = maker->log->event[maker->writes[i]].sectors;
        unsigned *before = room(maker->sector_count, sizeof(*before));
        size_t bytes = maker->sector_count * sizeof(*before);

        memcpy(before, maker->chosen, bytes);
        for (uint32_t cut = 1; cut < sectors; cut++) {
            choose(maker, maker->writes[i], 0, cut);
            state_tell(maker, "torn");
            memcpy(maker->chosen, before, bytes);
            choose(maker, maker->writes[i], cut, sectors);
            state_tell(maker, "torn");
            memcpy(maker->chosen, before, bytes);
        }
        free(before);
        choose_write(maker, i);
        state_tell(maker, "prefix");
    }
}

static void make_single(struct maker *maker)
{
    for (size_t i = 0; i < maker->write_count; i++) {
        choose_none(maker);
        choose_write(maker, i);
        state_tell(maker, "alone");
        choose_none(maker);
        for (size_t k = 0; k < maker->write_count; k++)
            if (k != i)
                choose_write(maker, k);
        state_tell(maker, "but one");
    }
}

/* Each unit of so many sectors of each write is there or not. */
static void draw(struct maker *maker, uint32_t unit)
{
    uint64_t share = 1 + drawn(maker) % 7; /* of 8 */

    choose_none(maker);
    for (size_t i = 0; i < maker->write_count; i++) {
        size_t event = maker->writes[i];
        uint32_t sectors = maker->log->event[event].sectors;

        for (uint32_t at = 0; at < sectors; at += unit)
            if (drawn(maker) % 8 < share)
                choose(maker, event, at, at + unit);
    }
    state_tell(maker, "drawn");
}

static void make_drawn(struct maker *maker)
{
    for (uint32_t i = 0; i < maker->limits->drawn && !maker->is_over; i++)
        draw(maker, i % 4 == 0 ? 1 : i % 4 == 1 ? 2 : UINT32_MAX / 2);
}

/* ---- Windows ------------------------------------------------------------- */

static int sector_order(const void *a, const void *b)
{
    const struct sector *one = a, *other = b;

    return one->number < other->number ? -1 : one->number > other->number;
}

/* Which sectors the window writes, and their versions. */
static void window_read(struct maker *maker)
{
    size_t total = 0, made = 0;

    maker->write_count = 0;
    for (size_t i = maker->begin; i < maker->end; i++) {
        if (maker->log->event[i].kind != CRASH_WRITE)
            continue;
        maker->writes[maker->write_count++] = i;
        total += maker->log->event[i].sectors;
    }
    maker->sectors = room(total, sizeof(*maker->sectors));
    maker->versions = room(total, sizeof(*maker->versions));
    maker->sector_count = 0;
    for (size_t i = 0; i < maker->write_count; i++) {
        const struct crash_event *event = &maker->log->event[maker->writes[i]];

        for (uint32_t k = 0; k < event->sectors; k++)
            maker->sectors[maker->sector_count++].number = event->sector + k;
    }
    qsort(maker->sectors, maker->sector_count, sizeof(*maker->sectors),
          sector_order);
    total = maker->sector_count;
    maker->sector_count = 0;
    for (size_t i = 0; i < total; i++)
        if (i == 0 || maker->sectors[i].number !=
                          maker->sectors[maker->sector_count - 1].number)
            maker->sectors[maker->sector_count++].number =
                maker->sectors[i].number;
    for (size_t i = 0; i < maker->sector_count; i++) {
        struct sector *sector = &maker->sectors[i];

        sector->first = made;
        sector->count = 0;
        for (size_t k = 0; k < maker->write_count; k++) {
            const struct crash_event *event =
                &maker->log->event[maker->writes[k]];

            if (sector->number < event->sector ||
                sector->number >= event->sector + event->sectors)
                continue;
            if (event->is_durable && maker->writes[k] < maker->applied) {
                /* It ended before: nothing older comes back. */
                made = sector->first;
                sector->count = 0;
                continue;
            }
            maker->versions[made++] = (struct version){
                maker->writes[k], (uint32_t)(sector->number - event->sector)};
            sector->count++;
        }
    }
    maker->chosen = room(maker->sector_count, sizeof(*maker->chosen));
}

static void window_forget(struct maker *maker)
{
    /* `image` is as `durable` again. */
    for (size_t i = 0; i < maker->sector_count; i++) {
        size_t at = maker->sectors[i].number * BLOCK_SECTOR_SIZE;

        memcpy(maker->image + at, maker->durable + at, BLOCK_SECTOR_SIZE);
    }
    free(maker->sectors);
    free(maker->versions);
    free(maker->chosen);
}

/* How many states there are; at most `limit` + 1. */
static uint64_t window_states(const struct maker *maker, uint64_t limit)
{
    uint64_t states = 1;

    for (size_t i = 0; i < maker->sector_count && states <= limit; i++)
        states *= maker->sectors[i].count + 1;
    return states <= limit ? states : limit + 1;
}

static void window_make(struct maker *maker)
{
    window_read(maker);
    maker->counts->windows++;
    if (window_states(maker, maker->limits->exhaustive) <=
        maker->limits->exhaustive) {
        maker->counts->explored_all++;
        make_all(maker);
    } else {
        make_prefixes(maker);
        make_single(maker);
        make_drawn(maker);
    }
    window_forget(maker);
}

/* A write is on the disk for good. */
static void apply(struct maker *maker, const struct crash_event *event)
{
    for (uint32_t i = 0; i < event->sectors; i++) {
        uint64_t number = event->sector + i;
        size_t at = number * BLOCK_SECTOR_SIZE;

        maker->durable_hash -= sector_hash(number, maker->durable + at);
        memcpy(maker->durable + at, event->data + (size_t)i * BLOCK_SECTOR_SIZE,
               BLOCK_SECTOR_SIZE);
        memcpy(maker->image + at, maker->durable + at, BLOCK_SECTOR_SIZE);
        maker->durable_hash += sector_hash(number, maker->durable + at);
    }
}

/* The window's writes become durable, and the next one begins. */
static void flush(struct maker *maker, size_t next)
{
    for (size_t i = maker->begin; i < next; i++)
        if (maker->log->event[i].kind == CRASH_WRITE)
            apply(maker, &maker->log->event[i]);
    maker->begin = next;
}

void crash_states(const uint8_t *base, size_t size, const struct crash_log *log,
                  const struct crash_limits *limits,
                  bool (*tell)(void *context, const struct crash_state *state),
                  void *context, struct crash_counts *counts)
{
    struct maker maker = {.log = log,
                          .limits = limits,
                          .tell = tell,
                          .context = context,
                          .counts = counts,
                          .size = size,
                          .random = limits->seed};

    maker.durable = room(size, 1);
    maker.image = room(size, 1);
    maker.writes = room(log->count, sizeof(*maker.writes));
    memcpy(maker.durable, base, size);
    memcpy(maker.image, base, size);
    for (size_t i = 0; i < log->count && !maker.is_over; i++) {
        const struct crash_event *event = &log->event[i];

        if (event->kind == CRASH_WRITE && !event->is_durable)
            continue;
        maker.end = event->kind == CRASH_WRITE ? i + 1 : i;
        window_make(&maker);
        if (event->kind == CRASH_FLUSH)
            flush(&maker, i + 1);
        if (event->kind == CRASH_WRITE)
            apply(&maker, event);
        maker.applied = i + 1;
    }
    maker.end = log->count;
    if (!maker.is_over)
        window_make(&maker);
    free(maker.durable);
    free(maker.image);
    free(maker.writes);
    free(maker.seen);
}
