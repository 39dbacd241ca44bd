#include "apps/fileserver/settings.h"
#include <torc/string.h>

#define MORE " root=memory upload-max=BYTES sync=0|1 list=0|1 parents=0|1"

const char *const settings_names[] = {
    SITE_OPTION_NAMES,
    "upload-max=BYTES of one file (what the disk holds)",
    "sync=0..1 1: an answer waits until the change is on the disk (1)",
    "list=0..1 1: a directory without index.html is listed (1)",
    "parents=0..1 1: PUT makes missing directories (0)",
    NULL};

/* "0" or "1". Returns 0 or an exit status. */
static int read_switch(const char *key, const char *otherwise, bool *out)
{
    const char *value = site_option(key, otherwise);

    *out = str_equal(value, "1");
    if (*out || str_equal(value, "0"))
        return 0;
    return site_options_refuse("neither 0 nor 1:", value, MORE);
}

int settings_read(int argc, char **argv, struct settings *out)
{
    const char *upload_max = site_option("upload-max", NULL);
    int status = site_options_read(argc, argv, MORE, &out->site);

    if (status != 0)
        return status;
    out->in_memory =
        out->site.root != NULL && str_equal(out->site.root, "memory");
    out->upload_max = INT64_MAX;
    if (upload_max != NULL && (str_to_u64(upload_max, &out->upload_max) != 0 ||
                               out->upload_max > INT64_MAX))
        return site_options_refuse("bad upload-max", upload_max, MORE);
    status = read_switch("sync", "1", &out->syncs);
    if (status == 0)
        status = read_switch("list", "1", &out->lists);
    if (status == 0)
        status = read_switch("parents", "0", &out->makes_parents);
    return status;
}
