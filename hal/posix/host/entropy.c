/* Randomness of the hosted machine: that of Linux. */
#include "hal/posix/host/entropy.h"
#include <errno.h>
#include <sys/random.h>

size_t host_entropy(void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t got = getrandom((char *)buf + done, len - done, 0);

        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            break;
    }
    return done;
}
