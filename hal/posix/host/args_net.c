/* The argument --net: a network card and the ports that lead to it. */
#include "hal/posix/host/args.h"
#include "hal/posix/host/args_internal.h"
#include "hal/posix/host/link.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_IF = 15 };

/* The value of a hexadecimal digit, or -1. */
static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c | 0x20);

    return at == NULL ? -1 : (int)(at - digits);
}

/*
 * Six pairs of hexadecimal digits with colons between them: the address of a
 * single card, so neither all 0 nor that of a group (IEEE 802.3, 3.2.3).
 */
static int mac_parse(const char *text, uint8_t mac[6])
{
    unsigned any = 0;

    for (unsigned i = 0; i < 6; i++, text += 3) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);

        if (low < 0 || text[2] != (i < 5 ? ':' : '\0'))
            return -EINVAL;
        mac[i] = (uint8_t)(high << 4 | low);
        any |= mac[i];
    }
    return any == 0 || (mac[0] & 1) != 0 ? -EINVAL : 0;
}

/* [ADDR]:PORT, taken apart in place. */
static int endpoint_parse(char *text, uint32_t *address, uint16_t *port)
{
    char *colon = strrchr(text, ':');
    struct in_addr in = {0};
    uint64_t value;

    if (colon == NULL)
        return -EINVAL;
    *colon = '\0';
    if (*text != '\0' && inet_pton(AF_INET, text, &in) != 1)
        return -EINVAL;
    if (host_number_parse(colon + 1, UINT16_MAX, &value) != 0 || value == 0)
        return -EINVAL;
    *address = ntohl(in.s_addr);
    *port = (uint16_t)value;
    return 0;
}

static int forward_parse(char *text, struct host_forward *forward)
{
    char *to = strchr(text, '-');

    if (to == NULL ||
        (strncmp(text, "tcp:", 4) != 0 && strncmp(text, "udp:", 4) != 0))
        return -EINVAL;
    *to++ = '\0';
    forward->udp = text[0] == 'u';
    if (endpoint_parse(text + 4, &forward->host_address, &forward->host_port) !=
        0)
        return -EINVAL;
    return endpoint_parse(to, &forward->guest_address, &forward->guest_port);
}

static int path_check(struct host_args *args, const char *path)
{
    if (*path != '\0' && strlen(path) <= HOST_PATH_MAX)
        return 0;
    return host_args_fail(args,
                          "--net unix: '%s': the path of a socket has 1 to %d "
                          "letters",
                          path, HOST_PATH_MAX);
}

/* A CID that a guest can have: VIRTIO 1.2, 5.10.4. */
static int cid_parse(struct host_args *args, struct host_net_config *net,
                     const char *word)
{
    uint64_t cid;

    if (host_number_parse(word + 6, UINT32_MAX - 1, &cid) != 0 || cid < 3)
        return host_args_fail(
            args, "--net unix,%s: give a CID from 3 to 4294967294", word);
    net->vsock_cid = (uint32_t)cid;
    return 0;
}

static int net_option_parse(struct host_args *args, struct host_net_config *net,
                            char *word)
{
    if (strncmp(word, "mac=", 4) == 0) {
        if (mac_parse(word + 4, net->mac) != 0)
            return host_args_fail(
                args,
                "--net %s: give the address of one card, such as "
                "mac=52:54:00:12:34:56",
                word);
        return 0;
    }
    if (net->kind == HOST_NET_TAP && strcmp(word, "plain") == 0) {
        net->plain = true;
        return 0;
    }
    if (net->kind == HOST_NET_TAP && strcmp(word, "large") == 0) {
        net->large = true;
        return 0;
    }
    if (net->kind == HOST_NET_USER && strncmp(word, "hostfwd=", 8) == 0) {
        char copy[64];

        snprintf(copy, sizeof(copy), "%s", word);
        if (net->forward_count == HOST_FORWARD_MAX)
            return host_args_fail(args, "--net user: at most %d hostfwd",
                                  HOST_FORWARD_MAX);
        if (forward_parse(word + 8, &net->forward[net->forward_count]) != 0)
            return host_args_fail(args,
                                  "--net user,%s: give it as "
                                  "hostfwd=tcp:127.0.0.1:8080-:80",
                                  copy);
        net->forward_count++;
        return 0;
    }
    if (net->kind == HOST_NET_UNIX && strncmp(word, "peer=", 5) == 0) {
        net->peer = word + 5;
        return path_check(args, net->peer);
    }
    if (net->kind == HOST_NET_UNIX && strncmp(word, "vsock=", 6) == 0)
        return cid_parse(args, net, word);
    if (net->kind == HOST_NET_LINK)
        return host_link_option_parse(args, net, word);
    return host_args_fail(args, "--net: unknown option '%s', see --help", word);
}

int host_net_parse(struct host_args *args, char *text)
{
    struct host_config *config = &args->config;
    struct host_net_config *net;
    char *rest = text;
    char *word = strsep(&rest, ",");
    int err = 0;

    if (config->net_count == HOST_NET_MAX)
        return host_args_fail(args, "--net: at most %d cards", HOST_NET_MAX);
    net = &args->nets[config->net_count];
    if (strcmp(word, "user") == 0) {
        net->kind = HOST_NET_USER;
    } else if (strncmp(word, "tap=", 4) == 0) {
        net->kind = HOST_NET_TAP;
        net->tap = word + 4;
        if (*net->tap == '\0' || strlen(net->tap) > NAME_MAX_IF)
            return host_args_fail(
                args,
                "--net tap=%s: give the name of an interface, "
                "1 to 15 letters",
                net->tap);
    } else if (strncmp(word, "link:", 5) == 0) {
        net->kind = HOST_NET_LINK;
        net->link = word + 5;
        if (*net->link == '\0' || strlen(net->link) >= HOST_LINK_NAME_MAX)
            return host_args_fail(
                args, "--net link:%s: give a name of 1 to %d letters",
                net->link, HOST_LINK_NAME_MAX - 1);
    } else if (strncmp(word, "unix:", 5) == 0) {
        net->kind = HOST_NET_UNIX;
        net->path = word + 5;
        err = path_check(args, net->path);
    } else {
        return host_args_fail(
            args, "--net '%s': give tap=NAME, user, link:NAME or unix:PATH",
            word);
    }
    while (err == 0 && (word = strsep(&rest, ",")) != NULL)
        err = net_option_parse(args, net, word);
    if (err == 0 && net->kind == HOST_NET_UNIX && net->peer == NULL)
        err = host_args_fail(
            args, "--net unix:%s: give the other end, as peer=PATH", net->path);
    if (err == 0)
        config->net_count++;
    return err;
}
