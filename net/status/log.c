/* The last lines of the log. They belong to CPU 0, as the console does. */
#include "net/status/status_internal.h"
#include <torc/log_listen.h>
#include <torc/message.h>
#include <torc/string.h>

/* CPU 0 only: */
static char kept[STATUS_LOG_MAX];
static size_t kept_len;

/* Drop lines from the front until `more` bytes fit, with the NUL. */
static void make_room(size_t more)
{
    size_t drop = 0;

    while (kept_len - drop + more >= sizeof(kept) ||
           (drop > 0 && drop < kept_len && kept[drop - 1] != '\n'))
        drop++;
    memmove(kept, kept + drop, kept_len - drop);
    kept_len -= drop;
}

static void line_comes(const char *line, size_t len)
{
    if (len >= sizeof(kept))
        return;
    make_room(len);
    memcpy(kept + kept_len, line, len);
    kept_len += len;
}

void status_log_begin(void)
{
    kept_len = 0;
    log_listen(line_comes);
}

static int copy_here(void *out)
{
    memcpy(out, kept, kept_len);
    ((char *)out)[kept_len] = '\0';
    return 0;
}

int status_log_get(char out[STATUS_LOG_MAX])
{
    return remote_call(0, copy_here, out);
}
