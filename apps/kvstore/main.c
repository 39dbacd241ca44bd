/*
 * A store of keys and values in memory, divided over the CPUs, that speaks the
 * protocol of Redis. docs/kvstore.md lists its options.
 */
#include "apps/kvstore/server.h"
#include <torc/app.h>
#include <torc/drivers.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/net_card.h>
#include <torc/string.h>
#include <torc/thread.h>
#include <torc/time.h>

enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    PORT = 6379,
    CONNECTIONS = 256,
    CONNECTIONS_MAX = 65536,
    VALUE_MAX = 1024 * 1024,
    VALUE_LIMIT = 64 * 1024 * 1024, /* of value-max= */
    MEMORY_MIN = 64 * 1024,
};

/* A number within limits; false: it is said what is wrong. */
static bool read_number(const char *key, uint64_t min, uint64_t max,
                        uint64_t *out)
{
    const char *text = machine_option(key);

    if (text == NULL)
        return true;
    if (str_to_u64(text, out) == 0 && *out >= min && *out <= max)
        return true;
    log_error("%s: %s=%s: no number from %llu to %llu", torc_app.name, key,
              text, (unsigned long long)min, (unsigned long long)max);
    return false;
}

static int read_options(int argc, char **argv, struct kv_options *out)
{
    uint64_t connections = CONNECTIONS;

    *out = (struct kv_options){.port = PORT, .value_max = VALUE_MAX};
    if (argc > 1) {
        log_error("%s: unknown argument \"%s\"; options: net= port= memory= "
                  "value-max= connections=",
                  torc_app.name, argv[1]);
        return EXIT_USAGE;
    }
    if (!read_number("memory", MEMORY_MIN, UINT64_MAX, &out->max_bytes) ||
        !read_number("value-max", 1, VALUE_LIMIT, &out->value_max) ||
        !read_number("connections", 1, CONNECTIONS_MAX, &connections))
        return EXIT_USAGE;
    out->connections_max = (unsigned)connections;
    out->max_bytes /= cpu_count();
    return 0;
}

static int app_main(int argc, char **argv)
{
    struct kv_options options;
    int status = read_options(argc, argv, &options);

    if (status != 0)
        return status;
    status = net_card_start_all(&options.port);
    if (status != 0)
        return status == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
    status = kv_serve(&options);
    if (status != 0) {
        log_error("%s: cannot serve: error %d", torc_app.name, status);
        return EXIT_FAILED;
    }
    log_info("%s: %llu MiB for keys and values on %u CPUs", torc_app.name,
             (unsigned long long)kv_limits.max_bytes >> 20, cpu_count());
    thread_sleep_until(TIME_NEVER);
    return 0;
}

static const char *const options[] = {
    NET_CARD_OPTION_NAMES,
    "memory=BYTES for keys and values of all CPUs (3/4 of what is free)",
    "value-max=BYTES of one value (1048576)",
    "connections=NUMBER how many each CPU can have at once (256)", NULL};

static const struct driver *const drivers[] = {
    &virtio_rng_driver, &virtio_balloon_driver,
    &virtio_net_driver, &e1000_driver,
    &ne2000_driver,     &leaf_net_driver,
    &env_driver,        NULL,
};

const struct torc_app torc_app = {
    .name = "kvstore",
    .main = app_main,
    .options = options,
    .drivers = drivers,
};
