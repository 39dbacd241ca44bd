#include "tests/crash/states.h"
#include <stdlib.h>
#include <string.h>

/* What a disk writes as one, an *atom*, is one sector or more. A version of an
 * atom in a window. */
struct version {
    size_t event; /* the write */
    uint32_t at;  /* atom of the write */
};

/* An atom that a window writes: its versions, oldest first. */
struct atom {
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
    uint64_t made_before; /* states of other logs that counts has */
    size_t size;
    unsigned atom;    /* sectors */
    size_t bytes;     /* of an atom */
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
    struct atom *atoms;
    size_t atom_count;
    struct version *versions;
    unsigned *chosen; /* of each atom: 0 as it was, else version + 1 */

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

static uint64_t first_atom(const struct maker *maker, size_t event)
{
    uint64_t sector = maker->log->event[event].sector;

    if (sector % maker->atom != 0)
        abort();
    return sector / maker->atom;
}

static uint32_t atoms_of(const struct maker *maker, size_t event)
{
    uint32_t sectors = maker->log->event[event].sectors;

    if (sectors % maker->atom != 0)
        abort();
    return sectors / maker->atom;
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

/* The hash of an image is the sum of its atoms'. */
static uint64_t atom_hash(const struct maker *maker, uint64_t number,
                          const uint8_t *data)
{
    uint64_t hash = mixed(number + 1);

    for (unsigned i = 0; i < maker->bytes; i += 8) {
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
                                   const struct atom *atom, unsigned choice)
{
    const struct version *version;

    if (choice == 0)
        return maker->durable + atom->number * maker->bytes;
    version = &maker->versions[atom->first + choice - 1];
    return maker->log->event[version->event].data +
           (size_t)version->at * maker->bytes;
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
    state.number = ++maker->counts->states - maker->made_before;
    for (size_t i = 0; i < maker->atom_count; i++) {
        const struct atom *atom = &maker->atoms[i];

        if (maker->chosen[i] == 0)
            continue;
        hash -= atom_hash(maker, atom->number, version_data(maker, atom, 0));
        hash += atom_hash(maker, atom->number,
                          version_data(maker, atom, maker->chosen[i]));
    }
    /* The same bytes at another time: something else may have been promised. */
    if (!seen_add(maker, mixed(hash ^ mixed(maker->end))))
        return;
    maker->counts->distinct++;
    if (maker->limits->only != 0 && maker->limits->only != state.number)
        return;
    for (size_t i = 0; i < maker->atom_count; i++)
        memcpy(maker->image + maker->atoms[i].number * maker->bytes,
               version_data(maker, &maker->atoms[i], maker->chosen[i]),
               maker->bytes);
    maker->is_over = !maker->tell(maker->context, &state) ||
                     maker->limits->only == state.number;
}

/* ---- Kinds of states ----------------------------------------------------- */

static void choose_none(struct maker *maker)
{
    memset(maker->chosen, 0, maker->atom_count * sizeof(*maker->chosen));
}

/* Let atoms from..to-1 of a write be as it wrote them. */
static void choose(struct maker *maker, size_t event, uint32_t from,
                   uint32_t to)
{
    for (size_t i = 0; i < maker->atom_count; i++) {
        const struct atom *atom = &maker->atoms[i];

        for (unsigned k = 0; k < atom->count; k++) {
            const struct version *version = &maker->versions[atom->first + k];

            if (version->event == event && version->at >= from &&
                version->at < to)
                maker->chosen[i] = k + 1;
        }
    }
}

static void choose_write(struct maker *maker, size_t write)
{
    size_t event = maker->writes[write];

    choose(maker, event, 0, atoms_of(maker, event));
}

/* All choices of all atoms. */
static void make_all(struct maker *maker)
{
    choose_none(maker);
    for (;;) {
        size_t i = 0;

        state_tell(maker, "all");
        while (i < maker->atom_count &&
               maker->chosen[i] == maker->atoms[i].count)
            maker->chosen[i++] = 0;
        if (i == maker->atom_count || maker->is_over)
            return;
        maker->chosen[i]++;
    }
}

static void make_prefixes(struct maker *maker)
{
    choose_none(maker);
    state_tell(maker, "prefix");
    for (size_t i = 0; i < maker->write_count; i++) {
        uint32_t atoms = atoms_of(maker, maker->writes[i]);
        unsigned *before = room(maker->atom_count, sizeof(*before));
        size_t bytes = maker->atom_count * sizeof(*before);

        memcpy(before, maker->chosen, bytes);
        for (uint32_t cut = 1; cut < atoms; cut++) {
            choose(maker, maker->writes[i], 0, cut);
            state_tell(maker, "torn");
            memcpy(maker->chosen, before, bytes);
            choose(maker, maker->writes[i], cut, atoms);
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

/* Each unit of so many atoms of each write is there or not. */
static void draw(struct maker *maker, uint32_t unit)
{
    uint64_t share = 1 + drawn(maker) % 7; /* of 8 */

    choose_none(maker);
    for (size_t i = 0; i < maker->write_count; i++) {
        size_t event = maker->writes[i];
        uint32_t atoms = atoms_of(maker, event);

        for (uint32_t at = 0; at < atoms; at += unit)
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

static int atom_order(const void *a, const void *b)
{
    const struct atom *one = a, *other = b;

    return one->number < other->number ? -1 : one->number > other->number;
}

/* Which atoms the window writes, and their versions. */
static void window_read(struct maker *maker)
{
    size_t total = 0, made = 0;

    maker->write_count = 0;
    for (size_t i = maker->begin; i < maker->end; i++) {
        if (maker->log->event[i].kind != CRASH_WRITE)
            continue;
        maker->writes[maker->write_count++] = i;
        total += atoms_of(maker, i);
    }
    maker->atoms = room(total, sizeof(*maker->atoms));
    maker->versions = room(total, sizeof(*maker->versions));
    maker->atom_count = 0;
    for (size_t i = 0; i < maker->write_count; i++) {
        size_t event = maker->writes[i];

        for (uint32_t k = 0; k < atoms_of(maker, event); k++)
            maker->atoms[maker->atom_count++].number =
                first_atom(maker, event) + k;
    }
    qsort(maker->atoms, maker->atom_count, sizeof(*maker->atoms), atom_order);
    total = maker->atom_count;
    maker->atom_count = 0;
    for (size_t i = 0; i < total; i++)
        if (i == 0 || maker->atoms[i].number !=
                          maker->atoms[maker->atom_count - 1].number)
            maker->atoms[maker->atom_count++].number = maker->atoms[i].number;
    for (size_t i = 0; i < maker->atom_count; i++) {
        struct atom *atom = &maker->atoms[i];

        atom->first = made;
        atom->count = 0;
        for (size_t k = 0; k < maker->write_count; k++) {
            size_t event = maker->writes[k];
            uint64_t from = first_atom(maker, event);

            if (atom->number < from ||
                atom->number >= from + atoms_of(maker, event))
                continue;
            if (maker->log->event[event].is_durable && event < maker->applied) {
                /* It ended before: nothing older comes back. */
                made = atom->first;
                atom->count = 0;
                continue;
            }
            maker->versions[made++] =
                (struct version){event, (uint32_t)(atom->number - from)};
            atom->count++;
        }
    }
    maker->chosen = room(maker->atom_count, sizeof(*maker->chosen));
}

static void window_forget(struct maker *maker)
{
    /* `image` is as `durable` again. */
    for (size_t i = 0; i < maker->atom_count; i++) {
        size_t at = maker->atoms[i].number * maker->bytes;

        memcpy(maker->image + at, maker->durable + at, maker->bytes);
    }
    free(maker->atoms);
    free(maker->versions);
    free(maker->chosen);
}

/* How many states there are; at most `limit` + 1. */
static uint64_t window_states(const struct maker *maker, uint64_t limit)
{
    uint64_t states = 1;

    for (size_t i = 0; i < maker->atom_count && states <= limit; i++)
        states *= maker->atoms[i].count + 1;
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
static void apply(struct maker *maker, size_t event)
{
    const uint8_t *data = maker->log->event[event].data;

    for (uint32_t i = 0; i < atoms_of(maker, event); i++) {
        uint64_t number = first_atom(maker, event) + i;
        size_t at = number * maker->bytes;

        maker->durable_hash -= atom_hash(maker, number, maker->durable + at);
        memcpy(maker->durable + at, data + (size_t)i * maker->bytes,
               maker->bytes);
        memcpy(maker->image + at, maker->durable + at, maker->bytes);
        maker->durable_hash += atom_hash(maker, number, maker->durable + at);
    }
}

/* The window's writes become durable, and the next one begins. */
static void flush(struct maker *maker, size_t next)
{
    for (size_t i = maker->begin; i < next; i++)
        if (maker->log->event[i].kind == CRASH_WRITE)
            apply(maker, i);
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
                          .made_before = counts->states,
                          .size = size,
                          .atom = limits->atom > 0 ? limits->atom : 1,
                          .random = limits->seed};

    maker.bytes = (size_t)maker.atom * BLOCK_SECTOR_SIZE;
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
            apply(&maker, i);
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
