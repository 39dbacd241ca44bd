#include "apps/webserver/settings.h"
#include "apps/site/responder.h"
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>

const char *const settings_options[] = {"net",  "root", "dir",
                                        "port", "cpu",  NULL};

static int usage(const char *problem, const char *value)
{
    log_error("webserver: %s \"%s\"; options: net=A.B.C.D/PREFIX[,GATEWAY] "
              "root=DEVICE dir=PATH port=1..65535 cpu=NUMBER",
              problem, value);
    return SETTINGS_EXIT_USAGE;
}

static const char *option(const char *key, const char *otherwise)
{
    const char *value = machine_option(key);

    return value != NULL ? value : otherwise;
}

int settings_read(int argc, char **argv, struct settings *out)
{
    const char *net = option("net", "10.0.2.15/24,10.0.2.2");
    const char *port = option("port", "80");
    const char *cpu = option("cpu", "0");
    uint64_t number;

    out->root = option("root", NULL);
    out->dir = option("dir", "/");
    if (argc > 1)
        return usage("unknown argument", argv[1]);
    if (net_config_parse(net, &out->net) != 0)
        return usage("bad address", net);
    if (str_to_u64(port, &number) != 0 || number < 1 || number > UINT16_MAX)
        return usage("bad port", port);
    out->port = (uint16_t)number;
    if (str_to_u64(cpu, &number) != 0 || number >= cpu_count())
        return usage("no such cpu", cpu);
    out->cpu = (unsigned)number;
    if (out->dir[0] != '/' ||
        str_len(out->dir, RESPONDER_DIR_MAX) == RESPONDER_DIR_MAX)
        return usage("dir must be absolute and short:", out->dir);
    return 0;
}
