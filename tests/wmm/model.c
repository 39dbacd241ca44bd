/*
 * Views.
 *
 * Each location has its stores in modification order; a store has a time there,
 * which only orders it among the others. A view says for each location from
 * which store on one may read, and for each thread up to which of its steps one
 * knows it. Each thread has three: what it knows (`now`), what it would know
 * after an acquire fence (`acquire`), and what it knew at its last release
 * fence (`release`). A store carries one, the message: `now` if it is a
 * release, else `release`. A load joins the message of the store it reads into
 * `now` if it is an acquire, else into `acquire`. So
 *
 *   happens-before     is what views have of the threads' steps;
 *   coherence          CoRR, CoRW, CoWR, CoWW is what they have of locations;
 *   release sequences  a read-modify-write passes on the message it read.
 *
 * A store may take any place in modification order behind those its thread
 * knows, unless a read-modify-write must stay next to what it read. This is the
 * promise-free part of the promising semantics (Kang et al., POPL 2017).
 *
 * Total order. Operations that take part in it are done in that order. `total`
 * is what of locations (not of threads: it is no happens-before) a fence can
 * rely on: it joins in what its thread knows, and takes over what is there.
 * A total load may not read older than `total`, a total store raises it for its
 * own location. That is 7.17.3p6-11, with the stronger fences of RC11.
 */
#include "model.h"
#include "race.h"
#include "threads.h"
#include "trail.h"
#include <emmintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CLOCKS = 8, /* lanes of a view for threads; the others are locations */
    LANES = 128,
    STORES_MAX = 40, /* to one location */
    TIME_STEP = 64,  /* between stores, when none came between */
};

struct view {
    _Alignas(16) int16_t at[LANES];
};

struct store {
    uint64_t value;
    int16_t time;
    uint8_t thread;
    uint8_t number; /* of this thread's stores here: with it, a name */
    bool followed;  /* by a read-modify-write that read it */
    struct view message;
};

struct location {
    uintptr_t address;
    unsigned size;
    uint32_t noted; /* trail_now then */
    unsigned count; /* 0: not touched by this execution */
    int plain;      /* the store whose value is in memory only, or -1 */
    uint64_t order_hash;
    uint16_t read_epoch[WMM_THREADS];
    uint16_t write_epoch[WMM_THREADS];
    uint8_t stores_of[WMM_THREADS];
    uint8_t order[STORES_MAX]; /* modification order: indices of store[] */
    struct store store[STORES_MAX];
};

static struct {
    unsigned lanes; /* in use, a multiple of eight */
    unsigned locations;
    unsigned touched_count;
    uint8_t touched[LANES]; /* in this execution */
    uint64_t order_hash;
    struct view now[WMM_THREADS];
    struct view acquire[WMM_THREADS];
    struct view release[WMM_THREADS];
    struct view total;
    struct location *location; /* [lane] */
} model;

void model_init(void)
{
    model.lanes = CLOCKS;
    model.location =
        mmap(NULL, sizeof(struct location) * LANES, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (model.location == MAP_FAILED)
        abort();
}

void model_forget(void)
{
    for (unsigned lane = CLOCKS; lane < CLOCKS + model.locations; lane++) {
        struct location *location = &model.location[lane];

        for (unsigned i = 0; i < location->size; i++)
            *race_location(location->address + i) = 0;
        memset(location, 0, sizeof(*location));
    }
    model.lanes = CLOCKS;
    model.locations = 0;
    memset(model.now, 0, sizeof(model.now));
    memset(model.acquire, 0, sizeof(model.acquire));
    memset(model.release, 0, sizeof(model.release));
    memset(&model.total, 0, sizeof(model.total));
}

/* ---- Views --------------------------------------------------------------- */

/* Eight lanes are one vector of the processor: half of the time went here. */
static void join(struct view *to, const struct view *from)
{
    for (unsigned i = 0, lanes = model.lanes; i < lanes; i += CLOCKS) {
        __m128i *at = (__m128i *)&to->at[i];

        *at = _mm_max_epi16(*at, *(const __m128i *)&from->at[i]);
    }
}

static void copy(struct view *to, const struct view *from)
{
    for (unsigned i = 0; i < model.lanes; i += CLOCKS)
        memcpy(&to->at[i], &from->at[i], sizeof(to->at[0]) * CLOCKS);
}

static void clear(struct view *view)
{
    memset(view->at, 0, sizeof(view->at[0]) * model.lanes);
}

void model_clear(unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        clear(&model.now[i]);
        clear(&model.acquire[i]);
        clear(&model.release[i]);
    }
    clear(&model.total);
}

void model_begin(unsigned threads)
{
    model.touched_count = 0;
    model.order_hash = 0;
    model_clear(threads);
    for (unsigned i = 0; i < threads; i++)
        model.now[i].at[i] = 1;
}

unsigned model_epoch(unsigned thread)
{
    return (unsigned)model.now[thread].at[thread];
}

unsigned model_knows(unsigned thread)
{
    return (unsigned)model.now[thread_now].at[thread];
}

static void note_view(struct view *view)
{
    trail_note(view, sizeof(view->at[0]) * model.lanes);
}

void model_note(unsigned threads)
{
    trail_note(&model.touched_count, sizeof(model.touched_count));
    trail_note(&model.order_hash, sizeof(model.order_hash));
    for (unsigned i = 0; i < threads; i++) {
        note_view(&model.now[i]);
        note_view(&model.acquire[i]);
        note_view(&model.release[i]);
    }
    note_view(&model.total);
}

uint64_t model_order_hash(void)
{
    return model.order_hash;
}

/* ---- Locations ----------------------------------------------------------- */

static uint64_t memory_get(uintptr_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, (const void *)address, size);
    return value;
}

static unsigned lane_create(uintptr_t address, unsigned size)
{
    unsigned lane = CLOCKS + model.locations;

    if (lane == LANES)
        wmm_fail("more than %d atomic locations", LANES - CLOCKS);
    if ((address & (size - 1)) != 0)
        wmm_fail("atomic access to %#lx is not aligned", address);
    model.locations++;
    for (unsigned i = 0; i < size; i++) {
        if (*race_location(address + i) != 0)
            wmm_fail("atomic accesses of two sizes at %#lx", address);
        *race_location(address + i) = (uint8_t)lane;
    }
    model.location[lane].address = address;
    model.location[lane].size = size;
    if (lane >= model.lanes)
        model.lanes += CLOCKS;
    return lane;
}

/* It will change; of its stores only those that are new. */
static void note(struct location *location)
{
    if (location->noted == trail_now)
        return;
    trail_note(location, offsetof(struct location, store));
    location->noted = trail_now;
}

/* The first store is what memory was. */
static void location_begin(struct location *location, unsigned lane)
{
    location->count = 1;
    location->plain = -1;
    location->order_hash = 0;
    location->order[0] = 0;
    memset(location->read_epoch, 0, sizeof(location->read_epoch));
    memset(location->write_epoch, 0, sizeof(location->write_epoch));
    memset(location->stores_of, 0, sizeof(location->stores_of));
    location->store[0].value = memory_get(location->address, location->size);
    location->store[0].time = 0;
    location->store[0].thread = WMM_THREADS;
    location->store[0].number = 0;
    location->store[0].followed = false;
    clear(&location->store[0].message);
    model.touched[model.touched_count++] = (uint8_t)lane;
}

/* Its lane, ready for the running thread's atomic access. */
static unsigned lane_of(const struct access *access, bool write)
{
    unsigned lane;
    struct location *location;

    if (!race_watches(access->address))
        wmm_fail("atomic access to %#lx, which is on a stack or unknown",
                 access->address);
    lane = *race_location(access->address);
    if (lane == 0)
        lane = lane_create(access->address, access->size);
    location = &model.location[lane];
    if (location->address != access->address || location->size != access->size)
        wmm_fail("atomic accesses of two sizes at %#lx", access->address);
    note(location);
    if (location->count == 0)
        location_begin(location, lane);
    if (location->plain >= 0) {
        trail_note(&location->store[location->plain].value, sizeof(uint64_t));
        location->store[location->plain].value =
            memory_get(location->address, location->size);
        location->plain = -1;
    }
    race_against_plain(access->address, access->size, write, access->site);
    if (write)
        location->write_epoch[thread_now] = (uint16_t)model_epoch(thread_now);
    else
        location->read_epoch[thread_now] = (uint16_t)model_epoch(thread_now);
    return lane;
}

static struct store *in_order(struct location *location, unsigned place)
{
    return &location->store[location->order[place]];
}

static uint64_t store_name(const struct store *store)
{
    return (uint64_t)store->thread << 8 | store->number;
}

/* The place of the oldest store that a view lets one read. */
static unsigned oldest(struct location *location, int time)
{
    unsigned place = location->count - 1;

    while (in_order(location, place)->time > time)
        place--;
    return place;
}

static int least_time(unsigned lane, unsigned order)
{
    int time = model.now[thread_now].at[lane];

    if ((order & ORDER_TOTAL) != 0 && model.total.at[lane] > time)
        time = model.total.at[lane];
    return time;
}

static void order_changed(struct location *location, unsigned lane)
{
    uint64_t hash = lane;

    for (unsigned i = 0; i < location->count; i++)
        hash = hash_mix(hash, store_name(in_order(location, i)));
    model.order_hash ^= location->order_hash ^ hash;
    location->order_hash = hash;
}

void model_refresh(unsigned thread)
{
    for (unsigned i = 0; i < model.touched_count; i++) {
        unsigned lane = model.touched[i];
        struct location *location = &model.location[lane];

        model.now[thread].at[lane] =
            in_order(location, location->count - 1)->time;
    }
}

bool model_unseen(uintptr_t line)
{
    struct view *now = &model.now[thread_now];
    bool unseen = false;

    for (unsigned i = 0; i < model.touched_count; i++) {
        unsigned lane = model.touched[i];
        struct location *location = &model.location[lane];
        struct store *newest = in_order(location, location->count - 1);
        struct store *seen =
            in_order(location, oldest(location, now->at[lane]));

        if ((location->address & ~(uintptr_t)63) != line ||
            newest->value == seen->value)
            continue;
        if (wmm_choose(2) != 0) {
            unseen = true;
        } else {
            now->at[lane] = newest->time;
            thread_observe((uint64_t)lane << 32 | store_name(newest));
        }
    }
    return unseen;
}

/* ---- Telling what happens ------------------------------------------------ */

static const char *order_name(unsigned order)
{
    static const char *const names[] = {"relaxed", "acquire", "release",
                                        "acq_rel"};

    return (order & ORDER_TOTAL) != 0 ? "seq_cst" : names[order & 3];
}

static void tell(const char *what, const struct access *access, uint64_t value,
                 int from, int of)
{
    if (!threads_verbose)
        return;
    printf("  %u %p %s %s %#lx", thread_now, access->site, what,
           order_name(access->order), access->address);
    printf(" value %#lx", value);
    if (from >= 0)
        printf(" (%d of %d)", from, of);
    printf("\n");
}

/* ---- Operations ---------------------------------------------------------- */

static void reads(unsigned lane, struct store *store, unsigned order)
{
    unsigned me = thread_now;

    model.now[me].at[lane] = store->time;
    join((order & ORDER_ACQUIRE) != 0 ? &model.now[me] : &model.acquire[me],
         &store->message);
    thread_observe((uint64_t)lane << 32 | store_name(store) << 8 | order);
    if ((order & ORDER_TOTAL) != 0)
        thread_seen();
}

uint64_t model_load(const struct access *access)
{
    unsigned lane;
    struct location *location;
    struct store *store;
    unsigned first;
    unsigned back;

    thread_point();
    lane = lane_of(access, false);
    location = &model.location[lane];
    first = oldest(location, least_time(lane, access->order));
    back = thread_choose(location->count - first);
    store = in_order(location, location->count - 1 - back);
    tell("load", access, store->value, (int)(location->count - 1 - back),
         (int)location->count - 1);
    reads(lane, store, access->order);
    return store->value;
}

/* A new store behind `place`; its time is between those of its neighbours. */
static struct store *insert(struct location *location, unsigned place)
{
    struct store *store = &location->store[location->count];
    int before = in_order(location, place)->time;

    if (location->count == STORES_MAX)
        wmm_fail("more than %d stores to %#lx", STORES_MAX, location->address);
    store->time = (int16_t)(before + TIME_STEP);
    if (place + 1 < location->count) {
        int after = in_order(location, place + 1)->time;

        store->time = (int16_t)(before + (after - before) / 2);
        if (store->time == before)
            wmm_fail("no time left between two stores");
    }
    memmove(&location->order[place + 2], &location->order[place + 1],
            location->count - place - 1);
    location->order[place + 1] = (uint8_t)location->count;
    location->count++;
    store->thread = (uint8_t)thread_now;
    store->number = location->stores_of[thread_now]++;
    store->followed = false;
    return store;
}

/* Memory holds the newest value. */
static void to_memory(struct location *location)
{
    race_save(location->address);
    memcpy((void *)location->address,
           &in_order(location, location->count - 1)->value, location->size);
}

static void writes(unsigned lane, unsigned place, uint64_t value,
                   unsigned order)
{
    struct location *location = &model.location[lane];
    struct view *now = &model.now[thread_now];
    uint64_t before = in_order(location, location->count - 1)->value;
    struct store *store;

    note(location);
    store = insert(location, place);
    store->value = value;
    now->at[lane] = store->time;
    copy(&store->message,
         (order & ORDER_RELEASE) != 0 ? now : &model.release[thread_now]);
    store->message.at[lane] = store->time;
    if ((order & ORDER_RELEASE) != 0)
        now->at[thread_now]++;
    if ((order & ORDER_TOTAL) != 0)
        model.total.at[lane] = store->time;
    to_memory(location);
    order_changed(location, lane);
    thread_observe((uint64_t)lane << 32 | 0xff000000 | order);
    thread_stored();
    if (in_order(location, location->count - 1)->value != before)
        thread_wake_watchers(location->address & ~(uintptr_t)63);
}

void model_store(const struct access *access, uint64_t value)
{
    uint8_t places[STORES_MAX];
    unsigned count = 0;
    unsigned lane;
    unsigned chosen;
    struct location *location;

    thread_point();
    lane = lane_of(access, true);
    location = &model.location[lane];
    for (unsigned first = oldest(location, least_time(lane, access->order)),
                  place = location->count;
         place-- > first;) {
        if (!in_order(location, place)->followed)
            places[count++] = (uint8_t)place;
    }
    chosen = places[thread_choose(count)];
    tell("store", access, value, (int)chosen + 1, (int)location->count);
    writes(lane, chosen, value, access->order);
}

static uint64_t modified(enum modify how, uint64_t old, uint64_t operand)
{
    switch (how) {
    case MODIFY_SWAP:
        return operand;
    case MODIFY_ADD:
        return old + operand;
    case MODIFY_SUB:
        return old - operand;
    case MODIFY_AND:
        return old & operand;
    case MODIFY_OR:
        return old | operand;
    case MODIFY_XOR:
        return old ^ operand;
    case MODIFY_NAND:
        return ~(old & operand);
    }
    abort();
}

/* The new value goes next to the one read and carries its message along. */
static void replace(unsigned lane, unsigned place, uint64_t value,
                    unsigned order)
{
    struct location *location = &model.location[lane];
    struct store *store = in_order(location, place);

    reads(lane, store, order);
    trail_note(&store->followed, sizeof(store->followed));
    store->followed = true;
    writes(lane, place, value, order);
    join(&in_order(location, place + 1)->message, &store->message);
}

static uint64_t mask_of(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << size * 8) - 1;
}

uint64_t model_modify(const struct access *access, enum modify how,
                      uint64_t operand)
{
    uint8_t places[STORES_MAX];
    unsigned count = 0;
    unsigned lane;
    unsigned place;
    struct location *location;
    uint64_t old;

    thread_point();
    lane = lane_of(access, true);
    location = &model.location[lane];
    for (unsigned first = oldest(location, least_time(lane, access->order)),
                  i = location->count;
         i-- > first;) {
        if (!in_order(location, i)->followed)
            places[count++] = (uint8_t)i;
    }
    place = places[thread_choose(count)];
    old = in_order(location, place)->value;
    tell("modify", access, old, (int)place, (int)location->count - 1);
    replace(lane, place, modified(how, old, operand) & mask_of(access->size),
            access->order);
    return old;
}

bool model_compare_swap(const struct access *access, unsigned failure_order,
                        uint64_t *expected, uint64_t desired)
{
    uint8_t places[STORES_MAX];
    unsigned count = 0;
    unsigned lane;
    unsigned place;
    struct location *location;
    struct store *store;

    thread_point();
    lane = lane_of(access, true);
    location = &model.location[lane];
    /* It succeeds where nothing follows yet, and fails on other values. */
    for (unsigned first = oldest(location, least_time(lane, access->order)),
                  i = location->count;
         i-- > first;) {
        store = in_order(location, i);
        if (store->value != *expected || !store->followed)
            places[count++] = (uint8_t)i;
    }
    place = places[thread_choose(count)];
    store = in_order(location, place);
    tell("compare", access, store->value, (int)place, (int)location->count - 1);
    if (store->value != *expected) {
        *expected = store->value;
        reads(lane, store, failure_order);
        return false;
    }
    replace(lane, place, desired, access->order);
    return true;
}

/* What of locations the running thread knows: part of the state's name. */
static void observe_view(unsigned order)
{
    uint64_t hash = order;

    for (unsigned i = 0; i < model.touched_count; i++) {
        unsigned lane = model.touched[i];
        struct location *location = &model.location[lane];
        int time = model.now[thread_now].at[lane];

        if (time != 0)
            hash += hash_mix(
                lane, store_name(in_order(location, oldest(location, time))));
    }
    thread_observe(hash);
}

void model_fence(unsigned order, const void *site)
{
    const struct access access = {0, 0, order, site};
    struct view *now = &model.now[thread_now];

    if ((order & ORDER_TOTAL) != 0)
        thread_point();
    tell("fence", &access, 0, -1, 0);
    if ((order & ORDER_ACQUIRE) != 0)
        join(now, &model.acquire[thread_now]);
    if ((order & ORDER_TOTAL) != 0) {
        for (unsigned i = 0; i < CLOCKS; i++)
            model.total.at[i] = 0; /* it is no happens-before */
        join(now, &model.total);
        copy(&model.total, now);
        observe_view(order);
        thread_seen();
    } else {
        thread_observe(order);
    }
    if ((order & ORDER_RELEASE) != 0) {
        copy(&model.release[thread_now], now);
        now->at[thread_now]++;
    }
}

void model_plain(uintptr_t address, size_t size, bool write, const void *site)
{
    for (size_t i = 0; i < size; i++) {
        unsigned lane = *race_location(address + i);
        struct location *location = &model.location[lane];

        if (lane == 0 || location->count == 0)
            continue;
        for (unsigned thread = 0; thread < WMM_THREADS; thread++) {
            unsigned known = model_knows(thread);

            if (thread != thread_now &&
                (location->write_epoch[thread] > known ||
                 (write && location->read_epoch[thread] > known)))
                wmm_fail("data race at %#lx: atomic access by thread %u, "
                         "plain one by thread %u at %p",
                         address + i, thread, thread_now, site);
        }
        if (write && location->plain < 0) {
            writes(lane, location->count - 1,
                   memory_get(location->address, location->size), 0);
            location->plain = (int)location->count - 1;
        }
    }
}
