/*
 * Hostile clients of the kvstore, on one to four CPUs: bytes in whatever pieces
 * the fuzzer says, while the client reads or not, and the other CPUs answer now
 * or later.
 *
 * Input: one byte, the number of CPUs; then steps. A step is a byte n: below
 * 200, the next n + 1 bytes are sent; else something else happens.
 */
#include "tests/fakes/kv_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct socket *clients[2];

static void open_clients(void)
{
    for (int i = 0; i < 2; i++) {
        clients[i] = client_connect();
        if (clients[i] == NULL)
            abort();
    }
}

static void step(uint8_t what, struct socket *client)
{
    switch (what % 8) {
    case 0:
        client->room = 0;
        break;
    case 1:
        client->room = 3000;
        break;
    case 2:
        client->room = 10000000;
        break;
    case 3:
        client->wants_room = false;
        if (is_open(client))
            served->writable(served, client);
        break;
    case 4:
        for (unsigned cpu = 1; cpu < world_cpus; cpu++)
            shard_works(cpu);
        break;
    case 5:
        home_works();
        break;
    case 6:
        mem_fail_at = 3;
        break;
    default:
        now_ns += NS_PER_S;
        mem_fail_at = 0;
        for (unsigned cpu = 0; cpu < world_cpus; cpu++)
            kv_sweep(&shards[cpu]->table, 64, kv_now_ms());
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned at = 0;

    if (size < 2)
        return 0;
    store_open(1 + data[0] % WORLD_CPUS_MAX, 1 << 18, 2000);
    open_clients();
    for (size_t i = 1; i < size; i++) {
        struct socket *client = clients[at];
        size_t len = (size_t)data[i] + 1;

        if (data[i] >= 200) {
            step(data[i], client);
            at ^= data[i] == 255;
            continue;
        }
        if (len > size - i - 1)
            len = size - i - 1;
        if (client->in_len + len < sizeof(client->in))
            client_send_bytes(client, (const char *)data + i + 1, len);
        i += len;
    }
    mem_fail_at = 0;
    all_work();
    for (unsigned cpu = 0; cpu < world_cpus; cpu++)
        kv_table_check(&shards[cpu]->table);
    for (int i = 0; i < 2; i++)
        client_free(clients[i]);
    all_work();
    store_close();
    return 0;
}
