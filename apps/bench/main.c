/*
 * What the basic operations cost. Prints for each its name, how often it was
 * done, and the picoseconds each took; tools/bench_guest.sh adds instructions.
 */
#include "apps/bench/bench.h"
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>
#include <torc/time.h>

static int app_main(int argc, char **argv)
{
    if (argc > 2) {
        log_error("bench takes the name of one load: leave out \"%s\"",
                  argv[2]);
        return 2;
    }
    for (const struct load *load = loads; load->name != NULL; load++) {
        uint64_t start = time_ns();
        int status;

        if ((load->two_cpus && cpu_count() < 2) ||
            (argc == 2 && !str_equal(argv[1], load->name)))
            continue;
        status = load->run(load->count);
        if (status != 0) {
            log_error("%s failed: %d", load->name, status);
            return 1;
        }
        console_print("bench %s %lu %lu\n", load->name, load->count,
                      (time_ns() - start) * 1000 / load->count);
    }
    return 0;
}

const struct torc_app torc_app = {
    .name = "bench", .main = app_main, .has_arguments = true};
