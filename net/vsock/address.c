#include <stddef.h>
#include <torc/format.h>
#include <torc/string.h>
#include <torc/vsock.h>

enum { DECIMAL = 10 };

/* Read digits up to `end`, a number below UINT32_MAX. Returns what is behind
 * `end`, or NULL. */
static const char *number_read(const char *text, char end, uint32_t *out)
{
    uint64_t value = 0;

    if (*text == end)
        return NULL;
    for (; *text != end; text++) {
        if (*text < '0' || *text > '9')
            return NULL;
        value = value * DECIMAL + (uint64_t)(*text - '0');
        if (value >= UINT32_MAX)
            return NULL;
    }
    *out = (uint32_t)value;
    return text + 1;
}

int vsock_address_parse(const char *text, struct vsock_address *out)
{
    static const char prefix[] = "vsock:";
    struct vsock_address address;

    if (!str_starts(text, prefix))
        return -EINVAL;
    text = number_read(text + sizeof(prefix) - 1, ':', &address.cid);
    if (text == NULL || number_read(text, '\0', &address.port) == NULL)
        return -EINVAL;
    *out = address;
    return 0;
}

void vsock_address_format(char text[VSOCK_ADDRESS_SIZE],
                          const struct vsock_address *address)
{
    fmt_print(text, VSOCK_ADDRESS_SIZE, "vsock:%u:%u", address->cid,
              address->port);
}
