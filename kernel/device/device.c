#include "kernel/device/device.h"
#include "kernel/cpu/percpu.h"
#include "kernel/thread/wait.h"
#include <torc/assert.h>
#include <torc/format.h>
#include <torc/machine.h>
#include <torc/message.h>
#include <torc/string.h>

enum { NAMES_PER_PREFIX = 26 };

/* Appended to by CPU 0 alone, read by every CPU. */
static _Atomic(struct device *) first;

/* CPU 0 only. */
static struct device *last;
static unsigned epoch;

/* CPU 0 only: struct dedication, oldest first. The first one is under way. */
static struct list dedications;
static struct wait_queue dedication_ended;

void device_list_init(void)
{
    assert(cpu_self()->id == 0);
    atomic_store_explicit(&first, NULL, memory_order_relaxed);
    last = NULL;
    list_init(&dedications);
    wait_queue_init(&dedication_ended);
    epoch++;
}

unsigned device_epoch(void)
{
    return epoch;
}

/* ---- The list ------------------------------------------------------------ */

static struct device *list_first(void)
{
    /* Pairs with the release in list_append(). */
    return atomic_load_explicit(&first, memory_order_acquire);
}

static struct device *list_next(const struct device *device)
{
    /* Pairs with the release in list_append(). */
    return atomic_load_explicit(&device->next, memory_order_acquire);
}

static void list_append(struct device *device)
{
    assert(cpu_self()->id == 0);
    assert(device_by_name(device->name) == NULL);
    atomic_store_explicit(&device->next, NULL, memory_order_relaxed);
    /* Whoever finds the device sees it complete: pairs with the acquire in
     * list_first() and list_next(). */
    atomic_store_explicit(last == NULL ? &first : &last->next, device,
                          memory_order_release);
    last = device;
}

struct device *device_find(enum device_class class, unsigned index)
{
    for (struct device *device = list_first(); device != NULL;
         device = list_next(device)) {
        if (device->class == class && index-- == 0)
            return device;
    }
    return NULL;
}

struct device *device_by_name(const char *name)
{
    static const char directory[] = "/dev/";

    if (str_starts(name, directory))
        name += sizeof(directory) - 1;
    for (struct device *device = list_first(); device != NULL;
         device = list_next(device)) {
        if (str_equal(device->name, name))
            return device;
    }
    return NULL;
}

const char *device_name(const struct device *device)
{
    return device->name;
}

/* The first name with that prefix that no device has. */
static int name_make(struct device *device, const char *prefix)
{
    for (unsigned i = 0; i < NAMES_PER_PREFIX; i++) {
        if (device->class == DEVICE_BLOCK)
            fmt_print(device->name, sizeof(device->name), "%s%c", prefix,
                      (int)('a' + i));
        else
            fmt_print(device->name, sizeof(device->name), "%s%u", prefix, i);
        if (device_by_name(device->name) == NULL)
            return 0;
    }
    return -ENOSPC;
}

/* ---- Owners -------------------------------------------------------------- */

static int owner_of(const struct device *device)
{
    return atomic_load_explicit(&device->owner, memory_order_relaxed);
}

static void owner_set(struct device *device, int owner)
{
    atomic_store_explicit(&device->owner, owner, memory_order_relaxed);
}

bool device_is_mine(const struct device *device)
{
    return owner_of(device) == (int)cpu_self()->id;
}

int device_register(struct device *device, const char *prefix)
{
    if (name_make(device, prefix) != 0)
        return -ENOSPC;
    owner_set(device, DEVICE_NOBODY);
    queue_init(&device->children);
    list_append(device);
    return 0;
}

int device_rename(struct device *device, const char *name)
{
    size_t len = str_len(name, DEVICE_NAME_MAX);

    if (len == 0 || len == DEVICE_NAME_MAX)
        return -EINVAL;
    for (size_t i = 0; i < len; i++) {
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return -EINVAL;
    }
    if (device_by_name(name) != NULL)
        return -EBUSY;
    memcpy(device->name, name, len + 1);
    return 0;
}

void device_add_child(struct device *parent, struct device *child)
{
    assert(device_is_mine(parent));
    assert(child->start == NULL);
    queue_init(&child->children);
    owner_set(child, owner_of(parent));
    queue_push(&parent->children, &child->child_link);
}

/* ---- Dedication ---------------------------------------------------------- */

struct dedication {
    struct list link; /* in `dedications` */
    struct device *device;
    const unsigned *cpus; /* the owner first */
    unsigned cpu_count;
    bool done;
    int status; /* when done */
};

/* At least one, each there is, none twice. */
static bool cpus_valid(const unsigned cpus[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (cpus[i] >= cpu_count())
            return false;
        for (unsigned j = 0; j < i; j++) {
            if (cpus[i] == cpus[j])
                return false;
        }
    }
    return count > 0;
}

/* On the new owner. */
static int start_here(void *arg)
{
    const struct dedication *wanted = arg;
    struct device *device = wanted->device;
    int status;

    assert(wanted->cpus[0] == cpu_self()->id);
    device->cpus = wanted->cpus;
    device->cpu_count = wanted->cpu_count;
    status = device->start(device);
    device->cpus = NULL;
    device->cpu_count = 0;
    return status;
}

static int start(struct dedication *wanted)
{
    struct device *device = wanted->device;
    unsigned cpu = wanted->cpus[0];
    struct queue_node *node;
    int status;

    if (owner_of(device) == (int)cpu)
        return 0;
    if (owner_of(device) != DEVICE_NOBODY || device->start == NULL)
        return -EBUSY;
    owner_set(device, (int)cpu);
    status = remote_call(cpu, start_here, wanted);
    if (status != 0) {
        assert(queue_empty(&device->children));
        owner_set(device, DEVICE_NOBODY);
        return status;
    }
    while ((node = queue_pop(&device->children)) != NULL)
        list_append(container_of(node, struct device, child_link));
    return 0;
}

/* The answer to `mine`, and to who asked for the same meanwhile. */
static void answer(const struct dedication *mine, int status)
{
    list_for_each_safe (node, &dedications) {
        struct dedication *other = container_of(node, struct dedication, link);

        if (other->device != mine->device || other->cpus[0] != mine->cpus[0])
            continue;
        other->done = true;
        other->status = status;
        list_remove(&other->link);
    }
}

/*
 * On CPU 0. One start at a time, in the order of the calls: starting a device
 * waits, and two starts would mix their accesses to the configuration space of
 * PCI, to the interrupt controllers and to the tables behind them.
 */
static int dedicate_here(void *arg)
{
    struct dedication mine = *(const struct dedication *)arg;

    list_push_back(&dedications, &mine.link);
    while (!mine.done && dedications.next != &mine.link)
        wait_on(&dedication_ended);
    if (!mine.done) {
        answer(&mine, start(&mine));
        wait_wake_all(&dedication_ended);
    }
    return mine.status;
}

int device_dedicate_cpus(struct device *device, const unsigned cpus[],
                         unsigned count)
{
    struct dedication wanted = {
        .device = device, .cpus = cpus, .cpu_count = count};

    if (!cpus_valid(cpus, count))
        return -EINVAL;
    return remote_call(0, dedicate_here, &wanted);
}

int device_dedicate(struct device *device, unsigned cpu)
{
    return device_dedicate_cpus(device, &cpu, 1);
}
