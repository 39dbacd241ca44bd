/* Say hello from every CPU, and show what there is. */
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/message.h>
#include <torc/thread.h>
#include <torc/time.h>

/* Runs on each CPU in turn; each reports through the channel on CPU 0. */
static int greet(void *arg)
{
    struct channel *answers = arg;

    console_print("hello from cpu %u of %u, thread \"%s\", %zu KiB of memory\n",
                  cpu_id(), cpu_count(), thread_name(),
                  mem_total_bytes() / 1024);
    return channel_send(answers, cpu_id());
}

static int app_main(int argc, char **argv)
{
    struct channel *answers;

    if (argc > 1) {
        log_error("hello takes no arguments: leave out \"%s\"", argv[1]);
        return 2;
    }
    if (channel_create(cpu_count(), &answers) != 0)
        return 1;
    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        const struct thread_attr attr = {
            .name = "greeter", .place = THREAD_ON_CPU, .cpu = cpu};
        uint64_t answer;

        if (thread_create(&attr, greet, answers, NULL) != 0 ||
            channel_receive(answers, time_ns() + 5 * NS_PER_S, &answer) != 0) {
            log_error("cpu %u does not answer", cpu);
            return 1;
        }
    }
    return channel_destroy(answers) == 0 ? 0 : 1;
}

const struct torc_app torc_app = {
    .name = "hello",
    .main = app_main,
};
