#include "apps/site/everywhere.h"
#include "apps/site/site.h"
#include <torc/assert.h>
#include <torc/file.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/memory.h>
#include <torc/net.h>

enum {
    PAGES_SHARE = 4 /* of the memory of the CPU with the disk: what all others
                     * may borrow */
};

struct sharing {
    const struct site_options *options;
    uint64_t pages_max; /* bytes, for each */
};

/* On each CPU of the card: the files are those of the CPU with the disk. */
static int serve_here(void *arg)
{
    const struct sharing *sharing = arg;
    const struct site_options *options = sharing->options;
    uint64_t pages_max = 0;
    int status = site_check_memory();

    if (status == 0 && cpu_id() != options->cpu) {
        pages_max = sharing->pages_max;
        status = file_mount_cpu(options->cpu, "/");
    }
    if (status == 0)
        status = site_start_one(options->dir, options->port, pages_max);
    if (status != 0)
        log_error("cpu %u: cannot serve: error %d", cpu_id(), status);
    return status;
}

int site_everywhere(const struct site_options *options)
{
    struct sharing sharing = {
        .options = options,
        .pages_max = mem_total_bytes() / PAGES_SHARE / cpu_count(),
    };

    assert(cpu_id() == options->cpu);
    return net_each_cpu(serve_here, &sharing);
}

int site_net_start_all(struct device *card, struct net_config *config)
{
    return net_start_all(card, config);
}
