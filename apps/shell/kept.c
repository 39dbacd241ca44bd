/* The last lines of the log: see kept.h. */
#include "apps/shell/kept.h"
#include <torc/log_listen.h>
#include <torc/string.h>

/* CPU 0 only: a ring, and how many bytes have come. */
static char kept[KEPT_SIZE];
static uint64_t kept_end;

static void line_comes(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        kept[kept_end++ % KEPT_SIZE] = line[i];
}

void kept_begin(void)
{
    kept_end = 0;
    log_listen(line_comes);
}

uint64_t kept_first(void)
{
    uint64_t at = kept_end > KEPT_SIZE ? kept_end - KEPT_SIZE : 0;

    if (at == 0)
        return 0;
    while (at < kept_end && kept[at % KEPT_SIZE] != '\n')
        at++;
    return at < kept_end ? at + 1 : kept_end;
}

size_t kept_read(uint64_t *at, char *out, size_t size)
{
    size_t len = 0;

    if (kept_end > KEPT_SIZE && *at < kept_end - KEPT_SIZE)
        *at = kept_end - KEPT_SIZE;
    while (len < size && *at < kept_end)
        out[len++] = kept[(*at)++ % KEPT_SIZE];
    return len;
}
