/*
 * The application of the balloon's test: what is typed uses and frees memory.
 *
 *   use N    each CPU takes N MiB more, and writes to them
 *   free     all of it is free again
 *   all      each CPU takes as much as there is
 *   exit
 *
 * Behind each it says "done", and how many MiB it has.
 */
#include <torc/app.h>
#include <torc/console.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum { BLOCK = 1 << 20, CPUS = 16, LINE = 80 };

/* The blocks of a CPU, each with the address of the next; its own only. */
static void **blocks[CPUS];

static uint64_t wanted; /* of each CPU; main thread, before the others begin */

static int use(void *arg)
{
    void ***first = arg;
    int count = 0;

    for (uint64_t i = 0; i < wanted; i++) {
        void **block = mem_alloc(BLOCK);

        if (block == NULL)
            break;
        memset(block, 0x5a, BLOCK);
        *block = *first;
        *first = block;
        count++;
    }
    return count;
}

static int release(void *arg)
{
    void ***first = arg;
    int count = 0;

    while (*first != NULL) {
        void **block = *first;

        *first = *block;
        mem_free(block);
        count++;
    }
    return count;
}

static int on_each(int (*fn)(void *arg))
{
    int sum = 0;

    for (unsigned cpu = 0; cpu < cpu_count() && cpu < CPUS; cpu++) {
        const struct thread_attr attr = {
            .name = "memory", .place = THREAD_ON_CPU, .cpu = cpu};
        int count = 0;
        thread_id id;

        if (thread_create(&attr, fn, &blocks[cpu], &id) == 0 &&
            thread_join(id, &count) == 0)
            sum += count;
    }
    return sum;
}

/* Returns false at the end. */
static bool line_do(const char *line)
{
    int count;

    if (str_equal(line, "exit"))
        return false;
    if (str_equal(line, "free")) {
        count = on_each(release);
    } else {
        wanted = UINT64_MAX;
        if (str_starts(line, "use ") && str_to_u64(line + 4, &wanted) != 0)
            wanted = 0;
        count = on_each(use);
    }
    console_print("done: %d MiB\n", count);
    return true;
}

static bool line_read(char line[LINE])
{
    size_t len = 0;

    while (len < LINE - 1) {
        if (console_read(&line[len], 1, TIME_NEVER) <= 0)
            return false;
        if (line[len] == '\n' || line[len] == '\r')
            break;
        len++;
    }
    line[len] = '\0';
    return true;
}

static int app_main(int argc, char **argv)
{
    char line[LINE];

    (void)argc;
    (void)argv;
    console_print("ready\n");
    while (line_read(line) && line_do(line))
        continue;
    return 0;
}

static const struct driver *const drivers[] = {&uart_driver,
                                               &virtio_balloon_driver, NULL};

const struct torc_app torc_app = {
    .name = "balloon_app", .main = app_main, .drivers = drivers};
