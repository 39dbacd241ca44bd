/* Commands for the machine: threads, CPUs, memory, time, its end. */
#include "apps/shell/date.h"
#include "apps/shell/kept.h"
#include "apps/shell/shell.h"
#include <torc/figures.h>
#include <torc/format.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>
#include <torc/trace.h>

enum { PERCENT = 100, KIB = 1024 };
#define TOP_NS NS_PER_S

/* Ask each CPU, or the one that argv[1] names, and call fn() for it. Returns 0,
 * -EINVAL (no such CPU), -ENOMEM, or as figures_get(). */
static int each_cpu(struct shell *shell, const char *which,
                    void (*fn)(struct shell *shell, unsigned cpu,
                               const struct figures *figures))
{
    struct figures *figures = mem_alloc(sizeof(*figures));
    uint64_t first = 0, last = cpu_count() - 1;
    int status = figures == NULL ? -ENOMEM : 0;

    if (which != NULL) {
        if (str_to_u64(which, &first) != 0 || first > last)
            status = -EINVAL;
        last = first;
    }
    for (uint64_t cpu = first; status == 0 && cpu <= last; cpu++) {
        status = figures_get((unsigned)cpu, figures);
        if (status == 0)
            fn(shell, (unsigned)cpu, figures);
    }
    mem_free(figures);
    return status;
}

/* ---- Threads ------------------------------------------------------------- */

static const char *const states[] = {
    [THREAD_READY] = "ready",     [THREAD_RUNNING] = "running",
    [THREAD_WAITING] = "waiting", [THREAD_SUSPENDED] = "stopped",
    [THREAD_MOVING] = "moving",   [THREAD_ENDED] = "ended",
};

static void ps_rows(struct shell *shell, unsigned cpu,
                    const struct figures *figures)
{
    for (unsigned i = 0; i < figures->thread_count; i++) {
        const struct figures_thread *thread = &figures->threads[i];

        shell_print(shell, "%12llu %3u %-8s %10llu %6u %s\n",
                    (unsigned long long)thread->id, cpu, states[thread->state],
                    (unsigned long long)(thread->time_ns / NS_PER_US),
                    (unsigned)(thread->stack_size / KIB), thread->name);
    }
    if (figures->threads_all > figures->thread_count)
        shell_print(shell, "cpu %u has %u more\n", cpu,
                    figures->threads_all - figures->thread_count);
}

static int ps(struct shell *shell, int argc, char **argv)
{
    shell_print(shell, "%12s %3s %-8s %10s %6s %s\n", "id", "cpu", "state",
                "us", "KiB", "name");
    return each_cpu(shell, argc > 1 ? argv[1] : NULL, ps_rows);
}

static int kill(struct shell *shell, int argc, char **argv)
{
    uint64_t id;
    int status = str_to_u64(argv[1], &id);

    (void)argc;
    if (status == 0)
        status = shell_kill(id) ? 0 : thread_kill(id);
    return status == 0 ? 0 : shell_fail(shell, argv[1], status);
}

/* ---- CPUs ---------------------------------------------------------------- */

static void cpu_row(struct shell *shell, unsigned cpu,
                    const struct figures *figures)
{
    shell_print(shell, "%3u %12llu %12llu %12llu %8u %12u\n", cpu,
                (unsigned long long)(figures->time_ns / NS_PER_MS),
                (unsigned long long)(figures->idle_ns / NS_PER_MS),
                (unsigned long long)figures->switches, figures->threads_all,
                figures->connections);
}

static int cpu(struct shell *shell, int argc, char **argv)
{
    shell_print(shell, "%s\n%3s %12s %12s %12s %8s %12s\n", machine_name(),
                "cpu", "ms", "idle ms", "switches", "threads", "connections");
    return each_cpu(shell, argc > 1 ? argv[1] : NULL, cpu_row);
}

static void slots_row(struct shell *shell, unsigned cpu,
                      const struct figures *figures)
{
    shell_print(shell, "%3u %12llu %12llu %12llu %12llu\n", cpu,
                (unsigned long long)figures->lists_sent,
                (unsigned long long)figures->lists_taken,
                (unsigned long long)figures->items_received,
                (unsigned long long)figures->blocked);
}

static int slots(struct shell *shell, int argc, char **argv)
{
    shell_print(shell, "%3s %12s %12s %12s %12s\n", "cpu", "lists sent",
                "taken", "items", "blocked");
    return each_cpu(shell, argc > 1 ? argv[1] : NULL, slots_row);
}

static void mem_row(struct shell *shell, unsigned cpu,
                    const struct figures *figures)
{
    const struct mem_stats *memory = &figures->memory;

    shell_print(shell, "%3u %10llu %10llu %10llu %8llu %8llu\n", cpu,
                (unsigned long long)(memory->total_bytes / KIB),
                (unsigned long long)(memory->free_bytes / KIB),
                (unsigned long long)(memory->kept_bytes / KIB),
                (unsigned long long)memory->block_count,
                (unsigned long long)memory->failed);
}

static int mem(struct shell *shell, int argc, char **argv)
{
    shell_print(shell, "%3s %10s %10s %10s %8s %8s\n", "cpu", "KiB", "free",
                "kept", "blocks", "failed");
    return each_cpu(shell, argc > 1 ? argv[1] : NULL, mem_row);
}

/* ---- top ----------------------------------------------------------------- */

/* Of each CPU, at the look before. One session at a time shows it. */
struct load {
    uint64_t time_ns, idle_ns, switches;
};

static int top_rows(struct shell *shell, struct load before[],
                    struct figures *figures, bool is_first)
{
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        struct load *last = &before[cpu];
        uint64_t time, idle;
        int status = figures_get(cpu, figures);

        if (status != 0)
            return status;
        time = figures->time_ns - last->time_ns;
        idle = figures->idle_ns - last->idle_ns;
        if (!is_first)
            shell_print(
                shell, "%3u %5llu %10llu %8u %10llu\n", cpu,
                (unsigned long long)(time == 0 || idle > time
                                         ? 0
                                         : PERCENT - idle * PERCENT / time),
                (unsigned long long)(figures->switches - last->switches),
                figures->threads_all,
                (unsigned long long)(figures->memory.free_bytes / KIB));
        *last = (struct load){figures->time_ns, figures->idle_ns,
                              figures->switches};
    }
    return 0;
}

static int top(struct shell *shell, int argc, char **argv)
{
    struct figures *figures = mem_alloc(sizeof(*figures));
    struct load *before = mem_alloc_zeroed(sizeof(*before) * cpu_count());
    uint64_t rounds = UINT64_MAX;
    int status = figures == NULL || before == NULL ? -ENOMEM : 0;

    if (status == 0 && argc > 1)
        status = str_to_u64(argv[1], &rounds);
    shell->is_endless = rounds > LONG_ROUNDS;
    if (status == 0)
        status = top_rows(shell, before, figures, true);
    for (uint64_t i = 0; status == 0 && i < rounds; i++) {
        if (shell_wait(shell, time_ns() + TOP_NS) ||
            (shell->has_ended && argc == 1))
            break;
        shell_print(shell, "%3s %5s %10s %8s %10s\n", "cpu", "busy%",
                    "switches", "threads", "free KiB");
        status = top_rows(shell, before, figures, false);
    }
    mem_free(before);
    mem_free(figures);
    return status;
}

/* ---- Log, trace, time ---------------------------------------------------- */

static int show_log(struct shell *shell, int argc, char **argv)
{
    char piece[SHELL_PRINT_MAX];
    uint64_t at = kept_first();
    size_t len;

    (void)argc;
    (void)argv;
    while ((len = kept_read(&at, piece, sizeof(piece))) > 0)
        shell_write(shell, piece, len);
    return 0;
}

/* Returns 0, -ENOSPC, or as file_write(). */
static int write_all(struct file *file, const void *bytes, size_t len)
{
    int64_t done = file_write(file, bytes, len);

    if (done >= 0 && (size_t)done != len)
        return -ENOSPC;
    return done < 0 ? (int)done : 0;
}

/* What the rings of all CPUs have, into an open file. */
static int trace_write(struct file *file)
{
    struct trace_header header;
    int status = trace_header_get(&header);
    int done = 0;

    if (status == 0)
        done = write_all(file, &header, sizeof(header));
    for (unsigned cpu = 0; status == 0 && done >= 0 && cpu < cpu_count();
         cpu++) {
        void *part;
        size_t len;

        status = trace_take(cpu, &part, &len);
        if (status == 0) {
            done = write_all(file, part, len);
            mem_free(part);
        }
    }
    return done < 0 ? done : status;
}

static int trace(struct shell *shell, int argc, char **argv)
{
    struct trace_header header;
    struct file *file;
    int status = trace_header_get(&header);

    (void)argc;
    if (status == -ENODATA)
        return shell_say(shell, "the machine does not trace: boot it with "
                                "trace=all\n");
    status = file_open(argv[1], FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, 0644,
                       &file);
    if (status == 0) {
        status = trace_write(file);
        file_close(file);
    }
    return status == 0 ? 0 : shell_fail(shell, argv[1], status);
}

static int date(struct shell *shell, int argc, char **argv)
{
    uint64_t now = time_wall_ns();
    uint64_t up = time_ns();
    char text[DATE_SIZE];

    (void)argc;
    (void)argv;
    date_format(text, (int64_t)(now / NS_PER_S));
    shell_print(shell, "%s%s; up %llu.%03llu s\n",
                now == 0 ? "the machine does not know the date" : text,
                now == 0 ? "" : " UTC", (unsigned long long)(up / NS_PER_S),
                (unsigned long long)(up % NS_PER_S / NS_PER_MS));
    return 0;
}

/* ---- The end ------------------------------------------------------------- */

/* The machine ends with the session, when what its commands have is closed. */

static int poweroff(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    shell->leaves = shell->ends_machine = true;
    return 0;
}

static int reboot(struct shell *shell, int argc, char **argv)
{
    (void)argc;
    (void)argv;
    shell->leaves = shell->ends_machine = shell->begins_again = true;
    return 0;
}

const struct command system_commands[] = {
    {"ps", "[CPU]", "threads", 0, 1, ps},
    {"top", "[ROUNDS]", "load, each second; Ctrl-C ends it", 0, 1, top},
    {"kill", "THREAD", "end a thread, by its id", 1, 1, kill},
    {"mem", "[CPU]", "memory", 0, 1, mem},
    {"cpu", "[CPU]", "CPUs and their load", 0, 1, cpu},
    {"slots", "[CPU]", "exchange slots", 0, 1, slots},
    {"trace", "FILE", "write the trace", 1, 1, trace},
    {"log", "", "the last lines of the log", 0, 0, show_log},
    {"date", "", "what time it is", 0, 0, date},
    {"reboot", "", "begin again", 0, 0, reboot},
    {"poweroff", "", "end the machine", 0, 0, poweroff},
    {NULL, NULL, NULL, 0, 0, NULL},
};
