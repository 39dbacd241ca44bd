#include "tests/fakes/udp_peer.h"
#include "tests/fakes/netbench.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static uint16_t udp_sum(const uint8_t *udp, size_t len, uint32_t src,
                        uint32_t dst)
{
    return peer_checksum(udp, len,
                         (src >> 16) + (src & 0xffff) + (dst >> 16) +
                             (dst & 0xffff) + 17 + (uint32_t)len);
}

void udp_peer_send(const struct udp_datagram *datagram)
{
    uint8_t frame[FAKENET_FRAME_MAX];
    uint32_t src = datagram->src != 0 ? datagram->src : PEER_ADDRESS;
    uint32_t dst = datagram->dst != 0 ? datagram->dst : OUR_ADDRESS;
    size_t len = 8 + datagram->len;

    assert_true(34 + len <= sizeof(frame));
    peer_put16(frame + 34, datagram->from);
    peer_put16(frame + 36, datagram->to);
    peer_put16(frame + 38, (unsigned)len);
    peer_put16(frame + 40, 0);
    memcpy(frame + 42, datagram->data, datagram->len);
    peer_put16(frame + 40, udp_sum(frame + 34, len, src, dst));
    len = peer_ip4(frame, src, dst, 17, len);
    if (datagram->is_broadcast)
        memset(frame, 0xff, 6);
    fakenet_inject(&bench.net, frame, len);
    bench_poll();
}

bool udp_peer_receive(struct udp_datagram *out,
                      void (*other)(const uint8_t *frame, size_t len))
{
    const struct fakenet_frame *sent;

    while ((sent = fakenet_sent(&bench.net)) != NULL) {
        const uint8_t *frame = bench.frame;
        uint32_t src, dst;
        size_t len;

        memcpy(bench.frame, sent->data, sent->len);
        if (sent->len < 42 || peer_get16(frame + 12) != 0x0800 ||
            frame[23] != 17) {
            if (other != NULL && sent->len > 0)
                other(frame, sent->len);
            continue;
        }
        src = peer_get32(frame + 26);
        dst = peer_get32(frame + 30);
        len = peer_get16(frame + 38);
        assert_int_equal(peer_checksum(frame + 14, 20, 0), 0);
        assert_int_equal(sent->len, 34 + len);
        assert_int_equal(udp_sum(frame + 34, len, src, dst), 0);
        *out = (struct udp_datagram){
            .src = src,
            .dst = dst,
            .from = (uint16_t)peer_get16(frame + 34),
            .to = (uint16_t)peer_get16(frame + 36),
            .data = frame + 42,
            .len = len - 8,
            .is_broadcast = memcmp(frame, "\377\377\377\377\377\377", 6) == 0,
        };
        return true;
    }
    return false;
}
