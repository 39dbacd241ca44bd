#include "apps/site/options.h"
#include "apps/site/responder.h"
#include <torc/app.h>
#include <torc/log.h>
#include <torc/machine.h>
#include <torc/string.h>

int site_options_refuse(const char *problem, const char *value,
                        const char *more)
{
    log_error("%s: %s \"%s\"; options: net=A.B.C.D/PREFIX[,GATEWAY] "
              "root=DEVICE dir=PATH port=1..65535 cpu=NUMBER%s",
              torc_app.name, problem, value, more);
    return SITE_EXIT_USAGE;
}

const char *site_option(const char *key, const char *otherwise)
{
    const char *value = machine_option(key);

    return value != NULL ? value : otherwise;
}

/* What an option of a family of addresses is. */
static const char *family_value(const struct net_family *family)
{
    return site_option(family->option, family->otherwise);
}

int site_families_start(void)
{
    const struct net_family *const *next = torc_app.families;
    int status = 0;

    for (; next != NULL && *next != NULL && status == 0; next++) {
        status = (*next)->start(family_value(*next));
        if (status != 0)
            log_error("%s=%s: does not start: error %d", (*next)->option,
                      family_value(*next), status);
    }
    return status;
}

/* Check the options of the families. */
static int families_check(void)
{
    const struct net_family *const *next = torc_app.families;

    for (; next != NULL && *next != NULL; next++) {
        const char *value = family_value(*next);

        if ((*next)->check(value) != 0) {
            log_error("%s: %s=%s: give %s", torc_app.name, (*next)->option,
                      value, (*next)->values);
            return SITE_EXIT_USAGE;
        }
    }
    return 0;
}

int site_options_read(int argc, char **argv, const char *more,
                      struct site_options *out)
{
    const char *net = site_option("net", "10.0.2.15/24,10.0.2.2");
    const char *port = site_option("port", "80");
    const char *cpu = site_option("cpu", "0");
    uint64_t number;

    out->root = site_option("root", NULL);
    out->dir = site_option("dir", "/");
    if (argc > 1)
        return site_options_refuse("unknown argument", argv[1], more);
    if (site_network.parse(net, &out->net) != 0)
        return site_options_refuse("bad address", net, more);
    if (str_to_u64(port, &number) != 0 || number < 1 || number > UINT16_MAX)
        return site_options_refuse("bad port", port, more);
    out->port = (uint16_t)number;
    out->is_everywhere =
        site_network.everywhere != NULL && str_equal(cpu, "all");
    number = 0;
    if (!out->is_everywhere &&
        (str_to_u64(cpu, &number) != 0 || number >= cpu_count()))
        return site_options_refuse("no such cpu", cpu, more);
    out->cpu = (unsigned)number;
    if (out->dir[0] != '/' ||
        str_len(out->dir, RESPONDER_DIR_MAX) == RESPONDER_DIR_MAX)
        return site_options_refuse("dir must be absolute and short:", out->dir,
                                   more);
    return families_check();
}
