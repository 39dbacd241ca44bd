/*
 * Change what is in a file system, and list it: agree.py calls it for two
 * sides, and compares.
 *
 *   trees linux DIRECTORY COMMAND...    what Linux has mounted there
 *   trees torc IMAGE[:TYPE] COMMAND...  what the kernel under test makes of it
 *
 *   list                                docs/agree.md
 *   change SEED COUNT BYTES PATHS WHICH
 *       random changes; WHICH has letters: x with extended attributes, l with
 *       files of 2 GiB and more, a with ACLs
 */
#include "tests/agree/changes.h"
#include "tests/agree/listing.h"
#include <stdlib.h>
#include <string.h>

enum { STATUS_USAGE = 2 };

static int usage(void)
{
    fputs("usage: trees linux DIRECTORY|torc IMAGE[:TYPE] "
          "{list|change SEED COUNT BYTES PATHS WHICH}...\n",
          stderr);
    return STATUS_USAGE;
}

static const struct side *side_open(const char *kind, char *place)
{
    char *type = strrchr(place, ':');

    if (strcmp(kind, "linux") == 0)
        return side_linux(place);
    if (type != NULL)
        *type++ = '\0';
    return side_torc(place, type == NULL ? "ext2" : type);
}

/* Returns how many words it has taken, or a negative status. */
static int command_run(const struct side *side, char **words, int count)
{
    struct changes what;
    int status;

    if (count >= 1 && strcmp(words[0], "list") == 0) {
        status = listing_print(side, stdout);
        return status == 0 ? 1 : status;
    }
    if (count < 6 || strcmp(words[0], "change") != 0)
        return -usage();
    what = (struct changes){
        .seed = strtoull(words[1], NULL, 0),
        .count = (unsigned)atoi(words[2]),
        .bytes_max = strtoull(words[3], NULL, 0),
        .paths_max = (unsigned)atoi(words[4]),
        .with_xattrs = strchr(words[5], 'x') != NULL,
        .with_large_files = strchr(words[5], 'l') != NULL,
        .with_acls = strchr(words[5], 'a') != NULL,
    };
    status = changes_make(side, &what, stdout);
    return status == 0 ? 6 : status;
}

int main(int argc, char **argv)
{
    const struct side *side;
    int at = 3, status = 0;

    if (argc < 4)
        return usage();
    side = side_open(argv[1], argv[2]);
    if (side == NULL)
        return 1;
    while (status >= 0 && at < argc) {
        status = command_run(side, argv + at, argc - at);
        at += status > 0 ? status : 0;
    }
    if (status >= 0) {
        status = side->end();
        if (status != 0)
            fprintf(stderr, "the end: %s\n", strerror(-status));
    }
    return status < 0 ? 1 : 0;
}
