#include "tests/sim/names_order.h"
#include <string.h>
#include <torc/assert.h>
#include <torc/file.h>

enum { NOT_YET = 0xff };

struct state {
    /* What each name leads to: the number of the call that has made it. */
    uint8_t object[ORDER_NAMES];
    /* What a thread that makes a link has found. */
    uint8_t found[ORDER_THREADS];
};

enum { SEEN = 1 << 14 };

static struct {
    const struct order_call *calls;
    unsigned count;
    const struct order_end *end;
    /* What has been tried in vain: which calls were done, and the state. */
    struct seen {
        uint64_t done;
        uint64_t state;
    } seen[SEEN];
    unsigned seen_count;
} search;

static bool is_directory(uint8_t object)
{
    return search.calls[object - 1].kind == ORDER_MKDIR;
}

static int type_of(uint8_t object)
{
    return is_directory(object) ? FILE_DIRECTORY : FILE_REGULAR;
}

/* ---- One call ------------------------------------------------------------ */

static int make(struct state *state, unsigned name, unsigned call)
{
    if (state->object[name] != 0)
        return -EEXIST;
    state->object[name] = (uint8_t)(call + 1);
    return 0;
}

static int remove_name(struct state *state, unsigned name, bool wants_directory)
{
    uint8_t object = state->object[name];

    if (object == 0)
        return -ENOENT;
    if (is_directory(object) != wants_directory)
        return wants_directory ? -ENOTDIR : -EISDIR;
    state->object[name] = 0;
    return 0;
}

static bool has_name(const struct state *state, uint8_t object)
{
    for (unsigned i = 0; i < ORDER_NAMES; i++)
        if (state->object[i] == object)
            return true;
    return false;
}

/* Of what was found, which may have gone since. */
static int link_name(struct state *state, const struct order_call *call)
{
    uint8_t object = state->found[call->thread];

    state->found[call->thread] = NOT_YET;
    if (object == 0)
        return -ENOENT;
    if (state->object[call->b] != 0)
        return -EEXIST;
    if (is_directory(object))
        return -EPERM;
    if (!has_name(state, object))
        return -ENOENT;
    state->object[call->b] = object;
    return 0;
}

static int rename_name(struct state *state, unsigned from, unsigned to,
                       unsigned flags)
{
    uint8_t one = state->object[from], two = state->object[to];
    bool exchange = (flags & FILE_RENAME_EXCHANGE) != 0;

    if (one == 0 || (two == 0 && exchange))
        return -ENOENT;
    if (two != 0 && (flags & FILE_RENAME_NOREPLACE) != 0)
        return -EEXIST;
    if (one == two)
        return 0;
    if (two != 0 && !exchange && is_directory(one) != is_directory(two))
        return is_directory(one) ? -ENOTDIR : -EISDIR;
    state->object[to] = one;
    state->object[from] = exchange ? two : 0;
    return 0;
}

/* What a call answers in that state, which it changes. */
static int apply(struct state *state, unsigned index)
{
    const struct order_call *call = &search.calls[index];

    switch (call->kind) {
    case ORDER_CREATE:
    case ORDER_MKDIR:
        return make(state, call->a, index);
    case ORDER_UNLINK:
        return remove_name(state, call->a, false);
    case ORDER_RMDIR:
        return remove_name(state, call->a, true);
    case ORDER_RENAME:
        return rename_name(state, call->a, call->b, call->flags);
    case ORDER_LINK:
        return link_name(state, call);
    default:
        return state->object[call->a] == 0 ? -ENOENT
                                           : type_of(state->object[call->a]);
    }
}

/* ---- Orders -------------------------------------------------------------- */

static bool ends_so(const struct state *state)
{
    const struct order_end *end = search.end;

    for (unsigned i = 0; i < ORDER_NAMES; i++) {
        uint8_t object = state->object[i];

        if ((object != 0) != end->is_there[i])
            return false;
        if (object == 0)
            continue;
        if (is_directory(object) != end->is_directory[i])
            return false;
        if (end->made_by[i] != 0 && end->made_by[i] != object)
            return false;
        for (unsigned k = 0; k < i; k++) {
            if (state->object[k] != 0 && (state->object[k] == object) !=
                                             (end->inode[k] == end->inode[i]))
                return false;
        }
    }
    return true;
}

/* Whether it has been tried before; else remember it. Full: nothing is
 * remembered any more. */
static bool was_seen(uint64_t done, const struct state *state)
{
    uint64_t key = 0, at;

    static_assert(sizeof(*state) <= sizeof(key), "it is a key");
    memcpy(&key, state, sizeof(*state));
    at = (done ^ key * 0xbf58476d1ce4e5b9) * 0x9e3779b97f4a7c15 >> 50;

    for (unsigned i = 0; i < SEEN; i++, at++) {
        struct seen *seen = &search.seen[at % SEEN];

        if (seen->done == done && seen->state == key)
            return true;
        if (seen->state != 0)
            continue;
        if (search.seen_count < SEEN / 2) {
            search.seen_count++;
            *seen = (struct seen){.done = done, .state = key};
        }
        return false;
    }
    return false;
}

/* Whether a call may come next: nothing that is left has ended before it
 * began. */
static bool may_be_next(uint64_t done, unsigned index)
{
    for (unsigned i = 0; i < search.count; i++) {
        if ((done >> i & 1) == 0 &&
            search.calls[i].end < search.calls[index].begin)
            return false;
    }
    return true;
}

/* Whether a call is a link that has not found the old name yet: now it has. */
static bool finds_first(struct state *state, unsigned index)
{
    const struct order_call *call = &search.calls[index];

    if (call->kind != ORDER_LINK || state->found[call->thread] != NOT_YET ||
        call->status == -EIO || call->status == -ENOMEM)
        return false;
    state->found[call->thread] = state->object[call->a];
    return true;
}

/* Whether the calls that are left can come in some order; not deeper than twice
 * the calls. */
static bool can_go_on(uint64_t done, const struct state *state)
{
    if (done == ((uint64_t)1 << search.count) - 1)
        return ends_so(state);
    if (was_seen(done, state))
        return false;
    for (unsigned i = 0; i < search.count; i++) {
        struct state next = *state;
        int status = search.calls[i].status;

        if ((done >> i & 1) != 0 || !may_be_next(done, i))
            continue;
        if (finds_first(&next, i)) {
            if (can_go_on(done, &next))
                return true;
            continue;
        }
        if (status != -EIO && status != -ENOMEM && apply(&next, i) != status)
            continue;
        if (can_go_on(done | (uint64_t)1 << i, &next))
            return true;
    }
    return false;
}

bool order_exists(const struct order_call *calls, unsigned count,
                  const struct order_end *end)
{
    struct state empty;

    memset(&search, 0, sizeof(search));
    memset(&empty, 0, sizeof(empty));
    memset(empty.found, NOT_YET, sizeof(empty.found));
    search.calls = calls;
    search.count = count;
    search.end = end;
    return can_go_on(0, &empty);
}
