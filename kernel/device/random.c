/*
 * A generator is a key of ChaCha20. Each answer begins with the first block of
 * its stream; the first 32 bytes of that are the next key, and nobody sees
 * them. So the old key is gone, and with it what it has given.
 *
 * What is added is mixed into the key, 32 bytes at a time: it is XORed over it,
 * and a block of the stream, under a nonce of its own, becomes the next key. A
 * key that somebody cannot predict stays so, whatever is added.
 */
#include "kernel/device/random.h"
#include "hal/hal.h"
#include "kernel/cpu/exchange_inline.h"
#include "kernel/cpu/percpu.h"
#include "kernel/lib/bytes.h"
#include "kernel/lib/chacha20.h"
#include "kernel/lib/minmax.h"
#include "kernel/lib/wipe.h"
#include <torc/assert.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/time.h>

enum {
    WORDS = CHACHA20_KEY_WORDS,
    /* Answers between two looks at the machine's own source. */
    ANSWERS_MAX = 1 << 16,
};

/* What a block is for: its nonce. */
enum purpose { ANSWER = 1, ADDITION, LENGTH };

/* A generator; its CPU only. */
struct random {
    uint32_t key[WORDS];
    unsigned bits;    /* that nobody can predict, of RANDOM_ENOUGH */
    unsigned answers; /* since the last look at the machine's source */
};

static void block(const struct random *random, enum purpose purpose,
                  uint32_t counter, uint8_t out[CHACHA20_BLOCK])
{
    const uint32_t nonce[CHACHA20_NONCE_WORDS] = {purpose, 0, 0};

    chacha20_block(random->key, counter, nonce, out);
}

/* The key is what a block begins with. */
static void key_take(struct random *random, uint8_t from[CHACHA20_BLOCK])
{
    for (unsigned i = 0; i < WORDS; i++)
        random->key[i] = le32_get(from + 4 * i);
    secret_wipe(from, RANDOM_SEED);
}

/* Mix up to 32 bytes in. */
static void mix(struct random *random, enum purpose purpose,
                const uint8_t *data, size_t len)
{
    uint8_t bytes[RANDOM_SEED] = {0};
    uint8_t out[CHACHA20_BLOCK];

    assert(len <= sizeof(bytes));
    memcpy(bytes, data, len);
    for (unsigned i = 0; i < WORDS; i++)
        random->key[i] ^= le32_get(bytes + 4 * i);
    block(random, purpose, (uint32_t)len, out);
    key_take(random, out);
    secret_wipe(bytes, sizeof(bytes));
}

static void add(struct random *random, const void *data, size_t len,
                unsigned bits)
{
    const uint8_t *from = data;

    for (size_t at = 0; at < len; at += RANDOM_SEED)
        mix(random, ADDITION, from + at, min_size(RANDOM_SEED, len - at));
    random->bits =
        min_u32(RANDOM_ENOUGH, random->bits + min_u32(bits, RANDOM_ENOUGH));
}

/* What the machine gives by itself, the time, and which CPU this is, XORed over
 * each other: what anybody knows takes nothing away. */
static void machine_add(struct random *random)
{
    uint64_t from[RANDOM_SEED / sizeof(uint64_t)];
    size_t good = hal_entropy(from, sizeof(from));

    from[0] ^= time_ns();
    from[1] ^= time_wall_ns();
    from[2] ^= cpu_self()->id;
    add(random, from, sizeof(from), (unsigned)good * 8);
    secret_wipe(from, sizeof(from));
    random->answers = 0;
}

/* This CPU's, which is made when it is first needed; without memory it is
 * `once`, for this time only. */
static struct random *self(struct random *once)
{
    struct random *random = cpu_self()->random;

    if (random != NULL)
        return random;
    random = mem_alloc(sizeof(*random));
    cpu_self()->random = random;
    if (random == NULL)
        random = once;
    *random = (struct random){.bits = 0};
    machine_add(random);
    return random;
}

void random_add(const void *data, size_t len, unsigned bits)
{
    struct random once;

    add(self(&once), data, len, bits);
}

/* ---- Bytes --------------------------------------------------------------- */

int random_bytes(void *buf, size_t len)
{
    struct random once;
    struct random *random = self(&once);
    uint8_t out[CHACHA20_BLOCK];
    uint8_t *to = buf;
    uint32_t counter = 0;
    size_t used = RANDOM_SEED; /* of the block: the next key */

    if (random->answers++ == ANSWERS_MAX) {
        machine_add(random);
        random->answers = 1;
    }
    block(random, ANSWER, counter, out);
    while (len > 0) {
        size_t part = min_size(len, sizeof(out) - used);

        memcpy(to, out + used, part);
        to += part;
        len -= part;
        used = 0;
        if (len > 0)
            block(random, ANSWER, ++counter, out);
    }
    if (counter > 0)
        block(random, ANSWER, 0, out);
    key_take(random, out);
    secret_wipe(out, sizeof(out));
    return random->bits == RANDOM_ENOUGH ? 0 : -EAGAIN;
}

bool random_is_seeded(void)
{
    struct random once;

    return self(&once)->bits == RANDOM_ENOUGH;
}

/* ---- For all CPUs -------------------------------------------------------- */

/* A seed on its way to another CPU, which frees it. */
struct parcel {
    struct exchange_item item;
    uint8_t seed[RANDOM_SEED];
};

static void parcel_arrived(struct exchange_item *item)
{
    struct parcel *parcel = container_of(item, struct parcel, item);

    random_add(parcel->seed, sizeof(parcel->seed), RANDOM_ENOUGH);
    secret_wipe(parcel->seed, sizeof(parcel->seed));
    mem_free(parcel);
}

void random_seed_all(const void *data, size_t len)
{
    assert(len >= RANDOM_SEED);
    random_add(data, len, RANDOM_ENOUGH);
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct parcel *parcel;
        int status;

        if (cpu == cpu_self()->id)
            continue;
        /* Without memory the others go without: they say so. */
        parcel = mem_alloc(sizeof(*parcel));
        if (parcel == NULL)
            return;
        status = random_bytes(parcel->seed, sizeof(parcel->seed));
        if (status != 0) { /* nor is there any for this CPU's generator */
            mem_free(parcel);
            return;
        }
        parcel->item.run = parcel_arrived;
        exchange_send(cpu, &parcel->item);
    }
}

void random_check(void)
{
    const struct random *random = cpu_self()->random;

    if (random == NULL)
        return;
    assert(random->bits <= RANDOM_ENOUGH);
    assert(random->answers <= ANSWERS_MAX);
}
