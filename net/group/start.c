/* A group is made: a stack on each CPU, then their threads. */
#include "kernel/cpu/percpu.h"
#include "net/arp.h"
#include "net/group.h"
#include "net/stack.h"
#include <torc/assert.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/random.h>
#include <torc/thread.h>

/* The starting thread's, which waits while a member looks at it. */
struct member {
    struct net_group *group;
    const struct net_config *config;
    unsigned index;
    struct net_stack *stack; /* made by the member */
};

static bool has_queue(const struct member *member)
{
    return member->index < member->group->queue_count;
}

static void queue_drop(const struct member *member, struct net_queue *queue)
{
    if (!has_queue(member))
        group_port_destroy(queue);
}

static struct net_queue *queue_take(const struct member *member)
{
    struct net_group *group = member->group;
    unsigned via = member->index % group->queue_count;

    if (has_queue(member))
        return &group->card->queues[member->index];
    return group_port_create(group->card, group->cpu[via]);
}

/* On the member's CPU, as the next ones. */
static int member_create(void *arg)
{
    struct member *member = arg;
    struct net_queue *queue;
    int status;

    if (stack_self() != NULL)
        return -EBUSY;
    queue = queue_take(member);
    if (queue == NULL)
        return -ENOMEM;
    if (queue->user != NULL)
        return -EBUSY;
    status = stack_create(queue, member->config, &member->stack);
    if (status == 0 && packet_pool_share() != 0) {
        stack_destroy(member->stack);
        status = -ENOMEM;
    }
    if (status != 0) {
        member->stack = NULL;
        queue_drop(member, queue);
        return status;
    }
    if (!has_queue(member)) /* packets are given away, and kept by nobody */
        member->stack->budget.lent_max = 0;
    member->stack->group = member->group;
    member->stack->member = member->index;
    member->stack->isn_key = member->group->isn_key;
    return 0;
}

static int member_run(void *arg)
{
    const struct thread_attr attr = {.name = "net"};
    struct net_stack *stack = ((struct member *)arg)->stack;
    int status = thread_create(&attr, stack_run, stack, &stack->thread);

    if (status == 0)
        cpu_self()->net_stack = stack;
    return status;
}

static int member_destroy(void *arg)
{
    struct member *member = arg;
    struct net_stack *stack = member->stack;
    struct net_queue *queue = stack->queue;

    cpu_self()->net_stack = NULL;
    if (stack->thread != 0) {
        int status;

        stack->is_stopping = true;
        wait_wake_one(&stack->wake);
        status = thread_join(stack->thread, NULL);
        assert(status == 0);
    }
    stack_destroy(stack);
    queue_drop(member, queue);
    return 0;
}

static struct net_group *group_create(struct net_device *card,
                                      const unsigned cpus[], unsigned count)
{
    struct net_group *group = mem_alloc_zeroed(sizeof(*group));
    struct siphash_key keys[2];

    if (group == NULL)
        return NULL;
    if (random_bytes(keys, sizeof(keys)) != 0)
        log_warn(
            "net: no random numbers: who gets a connection can be guessed");
    group->steer_key = keys[0];
    group->isn_key = keys[1];
    group->card = card;
    group->count = count;
    group->queue_count = card->queue_count;
    for (unsigned i = 0; i < count; i++)
        group->cpu[i] = cpus[i];
    group->receive = group_receive;
    group->pass = group_pass;
    group->may_begin = group_may_begin;
    group->looped = group_looped;
    group->send = group_letter_send;
    group->check = group_check;
    return group;
}

/* Each member's stack, then each one's thread. */
static int members_start(struct net_group *group, struct member members[])
{
    int status = 0;

    for (unsigned i = 0; status == 0 && i < group->count; i++)
        status = remote_call(group->cpu[i], member_create, &members[i]);
    for (unsigned i = 0; status == 0 && i < group->count; i++)
        status = remote_call(group->cpu[i], member_run, &members[i]);
    if (status == 0)
        return 0;
    for (unsigned i = group->count; i-- > 0;) {
        if (members[i].stack != NULL) {
            int undone =
                remote_call(group->cpu[i], member_destroy, &members[i]);

            assert(undone == 0);
        }
    }
    return status;
}

static int check(const struct net_device *dev, const unsigned cpus[],
                 unsigned count)
{
    if (dev == NULL || count == 0 || count > GROUP_MAX)
        return -EINVAL;
    if (cpus[0] != cpu_id())
        return -EXDEV;
    return stack_self() != NULL ? -EBUSY : 0;
}

int group_start(struct device *device, const struct net_config *config,
                const unsigned cpus[], unsigned count)
{
    struct net_device *dev = net_from_device(device);
    struct member members[GROUP_MAX];
    struct net_group *group;
    int status = check(dev, cpus, count);

    if (status == 0)
        status = net_dedicate(dev, cpus, count);
    if (status != 0)
        return status;
    group = group_create(dev, cpus, count);
    if (group == NULL)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        members[i] =
            (struct member){.group = group, .config = config, .index = i};
    status = members_start(group, members);
    if (status != 0) {
        mem_free(group);
        return status;
    }
    log_info("net: %s on %u CPUs, %u queues", device_name(device), count,
             group->queue_count);
    return 0;
}

int net_start_on(struct device *device, const struct net_config *config,
                 const unsigned cpus[], unsigned count)
{
    int status = group_start(device, config, cpus, count);

    if (status != 0)
        return status;
    stack_log(stack_self());
    arp_announce(stack_self());
    return 0;
}
