/* The store: requests and replies on one and on several CPUs, in a world of the
 * test. */
#include "tests/fakes/kv_world.h"

static struct socket *client;

static void open_store(unsigned cpus)
{
    store_open(cpus, 1 << 20, 100000);
    client = client_connect();
    assert_non_null(client);
}

static void close_store(void)
{
    client_free(client);
    all_work();
    store_close();
}

/* A line of words as an array of bulk strings; '~' is a blank in a word. */
static void send_words(const char *line)
{
    char request_text[4000];
    char words[2000];
    size_t len = 0;
    unsigned argc = 1;
    char *save, *word;

    strcpy(words, line);
    for (const char *p = line; *p != '\0'; p++)
        argc += *p == ' ';
    len = (size_t)sprintf(request_text, "*%u\r\n", argc);
    for (word = strtok_r(words, " ", &save); word != NULL;
         word = strtok_r(NULL, " ", &save)) {
        for (char *p = word; *p != '\0'; p++)
            *p = *p == '~' ? ' ' : *p;
        len += (size_t)sprintf(request_text + len, "$%zu\r\n%s\r\n",
                               strlen(word), word);
    }
    client_send_bytes(client, request_text, len);
}

/* The reply, with its line ends as '|'. */
static const char *got(void)
{
    static char text[100000];
    size_t len = 0;

    for (size_t i = 0; i < client->out_len; i++) {
        if (client->out[i] != '\r')
            text[len++] = client->out[i] == '\n' ? '|' : client->out[i];
    }
    text[len] = '\0';
    client->out_len = 0;
    return text;
}

static const char *ask(const char *line)
{
    send_words(line);
    all_work();
    return got();
}

/* ---- What is answered ---------------------------------------------------- */

static const struct {
    const char *request, *reply; /* one after the other */
} script[] = {
    {"PING", "+PONG|"},
    {"ping hello", "$5|hello|"},
    {"ping a b", "-ERR wrong number of arguments for 'ping' command|"},
    {"ECHO x", "$1|x|"},
    {"ECHO", "-ERR wrong number of arguments for 'ECHO' command|"},
    {"GET a", "$-1|"},
    {"SET a 1", "+OK|"},
    {"get a", "$1|1|"},
    {"SET a", "-ERR wrong number of arguments for 'SET' command|"},
    {"SET a 2 NX", "$-1|"},
    {"SET b 2 NX", "+OK|"},
    {"SET c 2 XX", "$-1|"},
    {"SET a 3 XX", "+OK|"},
    {"SET a 4 GET", "$1|3|"},
    {"SET d 4 GET", "$-1|"},
    {"SET d 5 XX GET", "$1|4|"},
    {"SET d 6 NX GET", "$1|5|"},
    {"GET d", "$1|5|"},
    {"SET a 4 NX XX", "-ERR syntax error|"},
    {"SET a 4 EX", "-ERR syntax error|"},
    {"SET a 4 EX 1 PX 1", "-ERR syntax error|"},
    {"SET a 4 EX 1 KEEPTTL", "-ERR syntax error|"},
    {"SET a 4 EX x", "-ERR value is not an integer or out of range|"},
    {"SET a 4 EX 0", "-ERR invalid expire time in 'set' command|"},
    {"SET a 4 EX 9223372036854775807",
     "-ERR invalid expire time in 'set' command|"},
    {"SET a 4 WHAT", "-ERR syntax error|"},
    {"SET e 1 EX 10", "+OK|"},
    {"TTL e", ":10|"},
    {"PTTL e", ":10000|"},
    {"SET e 2 KEEPTTL", "+OK|"},
    {"TTL e", ":10|"},
    {"INCR e", ":3|"},
    {"TTL e", ":10|"},
    {"PERSIST e", ":1|"},
    {"PERSIST e", ":0|"},
    {"PERSIST none", ":0|"},
    {"TTL e", ":-1|"},
    {"TTL none", ":-2|"},
    {"EXPIRE e 5", ":1|"},
    {"PEXPIRE none 5", ":0|"},
    {"EXPIRE e x", "-ERR value is not an integer or out of range|"},
    {"EXPIRE e 9223372036854775807", "-ERR invalid expire time|"},
    {"TTL e", ":5|"},
    {"PEXPIRE e 1499", ":1|"},
    {"TTL e", ":1|"},
    {"EXPIRE e -1", ":1|"},
    {"GET e", "$-1|"},
    {"SET f 1 EXAT 784111787", "+OK|"}, /* ten seconds from now */
    {"PTTL f", ":10000|"},
    {"SET f 1 PXAT 784111777500", "+OK|"},
    {"PTTL f", ":500|"},
    {"SET f 1 EXAT 5", "+OK|"}, /* long ago */
    {"GET f", "$-1|"},
    {"SETEX g 7 v", "+OK|"},
    {"TTL g", ":7|"},
    {"PSETEX g 7 v", "+OK|"},
    {"PTTL g", ":7|"},
    {"SETEX g 0 v", "-ERR invalid expire time|"},
    {"SETEX g x v", "-ERR value is not an integer or out of range|"},
    {"SETNX a 1", ":0|"},
    {"SETNX h 1", ":1|"},
    {"GETSET h 2", "$1|1|"},
    {"GETSET i 2", "$-1|"},
    {"GETDEL h", "$1|2|"},
    {"GETDEL h", "$-1|"},
    {"MSET k1 v1 k2 v2 k3 v3 k4 v4", "+OK|"},
    {"MSET k1 v1 k2", "-ERR wrong number of arguments for 'MSET' command|"},
    {"MGET k4 none k1 k2 k1", "*5|$2|v4|$-1|$2|v1|$2|v2|$2|v1|"},
    {"EXISTS k1 k2 none k1", ":3|"},
    {"TOUCH k1 none", ":1|"},
    {"DEL k1 k1 none k2", ":2|"},
    {"UNLINK k3 k4", ":2|"},
    {"EXISTS k1 k2 k3 k4", ":0|"},
    {"INCR n", ":1|"},
    {"DECR n", ":0|"},
    {"DECR n", ":-1|"},
    {"INCRBY n 100", ":99|"},
    {"DECRBY n 200", ":-101|"},
    {"INCRBY n x", "-ERR value is not an integer or out of range|"},
    {"DECRBY n -9223372036854775808",
     "-ERR value is not an integer or out of range|"},
    {"INCRBY n -9223372036854775807",
     "-ERR increment or decrement would overflow|"},
    {"SET n 9223372036854775807", "+OK|"},
    {"INCR n", "-ERR increment or decrement would overflow|"},
    {"SET n 01", "+OK|"},
    {"INCR n", "-ERR value is not an integer or out of range|"},
    {"APPEND s abc", ":3|"},
    {"APPEND s de", ":5|"},
    {"GET s", "$5|abcde|"},
    {"STRLEN s", ":5|"},
    {"STRLEN none", ":0|"},
    {"TYPE s", "+string|"},
    {"TYPE none", "+none|"},
    {"SELECT 0", "+OK|"},
    {"SELECT 1", "-ERR DB index is out of range|"},
    {"SELECT x", "-ERR value is not an integer or out of range|"},
    {"LPUSH l 1", "-ERR this server keeps strings only, it has no 'LPUSH'|"},
    {"NONE~X", "-ERR unknown command '...'|"},
    {"NONE", "-ERR unknown command 'NONE'|"},
    {"KEYS ?", "*7|"},
    {"FLUSHALL", "+OK|"},
    {"DBSIZE", ":0|"},
    {"MSET a 1 b 2 c 3", "+OK|"},
    {"DBSIZE", ":3|"},
    {"KEYS b", "*1|$1|b|"},
    {"KEYS [^ac]", "*1|$1|b|"},
    {"SCAN x", "-ERR invalid cursor|"},
    {"SCAN 0 COUNT", "-ERR syntax error|"},
    {"SCAN 0 COUNT 0", "-ERR value is not an integer or out of range|"},
    {"SCAN 0 WHAT 5", "-ERR syntax error|"},
    {"CONFIG GET maxmem*",
     "*4|$9|maxmemory|$7|1048576|$16|maxmemory-policy|$10|noeviction|"},
    {"CONFIG GET none", "*0|"},
    {"CONFIG RESETSTAT", "+OK|"},
    {"CONFIG SET a b",
     "-ERR CONFIG: only GET; settings are options of the command line|"},
    {"CLIENT SETNAME x", "+OK|"},
    {"CLIENT GETNAME", "$-1|"},
    {"CLIENT KILL x", "-ERR CLIENT: only SETNAME, GETNAME, SETINFO|"},
    {"COMMAND", "*0|"},
    {"COMMAND DOCS", "*0|"},
    {"COMMAND COUNT", ":0|"},
    {"TIME", "*2|$9|784111777|$1|0|"},
    {"HELLO 4", "-NOPROTO unsupported protocol version|"},
    {"HELLO 2 AUTH a b", "-ERR AUTH: this server has no passwords|"},
    {"HELLO 2 SETNAME", "-ERR syntax error in HELLO|"},
    {"HELLO 3 AUTH a b", "-ERR AUTH: this server has no passwords|"},
    {"HELLO 3 SETNAME", "-ERR syntax error in HELLO|"},
    {"GET none", "$-1|"}, /* still RESP2 */
    {"HELLO",
     "*12|$6|server|$12|torc-kvstore|$7|version|$5|7.0.0|$5|proto|:2|$4|mode|"
     "$10|standalone|$4|role|$6|master|$7|modules|*0|"},
    {"HELLO 3 SETNAME x",
     "%6|$6|server|$12|torc-kvstore|$7|version|$5|7.0.0|$5|proto|:3|$4|mode|"
     "$10|standalone|$4|role|$6|master|$7|modules|*0|"},
    {"GET none", "_|"},
    {"MGET none a", "*2|_|$1|1|"},
    {"COMMAND DOCS", "%0|"},
    {"HELLO 2 WHAT", "-ERR syntax error in HELLO|"},
    {"GET none", "_|"}, /* still RESP3 */
    {"HELLO 2", NULL},
    {"GET none", "$-1|"},
    {"QUIT", "+OK|"},
};

static void run_script(unsigned cpus)
{
    open_store(cpus);
    for (size_t i = 0; i < COUNT_OF(script); i++) {
        const char *reply = ask(script[i].request);

        if (script[i].reply != NULL &&
            strncmp(script[i].request, "KEYS ?", 6) == 0) {
            assert_memory_equal(reply, script[i].reply, 3);
        } else if (script[i].reply != NULL &&
                   strncmp(script[i].request, "CONFIG GET m", 12) == 0 &&
                   cpus > 1) {
            assert_memory_equal(reply, script[i].reply, 16);
        } else if (script[i].reply != NULL &&
                   strcmp(reply, script[i].reply) != 0) {
            fail_msg("%u cpus: %s: %s", cpus, script[i].request, reply);
        }
        for (unsigned cpu = 0; cpu < cpus; cpu++)
            kv_table_check(&shards[cpu]->table);
    }
    assert_true(client->is_closed);
    close_store();
}

static void test_each_command(void **state)
{
    (void)state;
    for (unsigned cpus = 1; cpus <= WORLD_CPUS_MAX; cpus++)
        run_script(cpus);
}

static void test_info(void **state)
{
    const char *reply;

    (void)state;
    open_store(3);
    ask("MSET a 1 b 2 c 3");
    ask("EXPIRE b 5");
    reply = ask("INFO");
    assert_non_null(strstr(reply, "|cpus:3|"));
    assert_non_null(strstr(reply, "|connected_clients:1|"));
    assert_non_null(strstr(reply, "|db0:keys=3,expires=1,avg_ttl=0|"));
    close_store();
}

/* ---- Time ---------------------------------------------------------------- */

static void test_keys_expire(void **state)
{
    (void)state;
    open_store(2);
    ask("SET a 1 PX 5");
    now_ns += 4 * NS_PER_MS;
    assert_string_equal(ask("GET a"), "$1|1|");
    now_ns += NS_PER_MS;
    assert_string_equal(ask("KEYS *"), "*0|");
    assert_string_equal(ask("DBSIZE"), ":1|"); /* it is still there, */
    for (unsigned cpu = 0; cpu < 2; cpu++)
        kv_sweep(&shards[cpu]->table, SWEEP_BUCKETS, kv_now_ms());
    assert_string_equal(ask("DBSIZE"), ":0|"); /* until it is swept */
    ask("SET a 1 PX 5");
    now_ns += 5 * NS_PER_MS;
    assert_string_equal(ask("INCR a"), ":1|");
    assert_string_equal(ask("TTL a"), ":-1|");
    close_store();
}

/* The key `k<n>` of a CPU, from `*n` on, which moves past it. */
static const char *key_of(unsigned cpu, unsigned *n)
{
    static char key[20];

    do {
        sprintf(key, "k%u", (*n)++);
    } while (kv_owner(kv_hash((struct span){key, strlen(key)}), world_cpus) !=
             cpu);
    return key;
}

/* Its own keys expire, and nobody asks for them. */
static void set_expiring(unsigned cpu, unsigned count)
{
    char line[100];
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        sprintf(line, "SET %s v PX 5", key_of(cpu, &n));
        assert_string_equal(ask(line), "+OK|");
    }
    now_ns += 5 * NS_PER_MS;
}

/* A shard with no pause between its messages sweeps all the same. */
static void test_a_busy_shard_sweeps(void **state)
{
    (void)state;
    open_store(2);
    set_expiring(0, 10);
    set_expiring(1, 10);
    for (int i = 0; i < 30; i++) {
        unsigned n = 1000;
        char line[100];

        sprintf(line, "GET %s", key_of(1, &n));
        send_words(line);
    }
    receiving_ns = 10 * NS_PER_MS;
    assert_int_equal(shards[1]->table.count, 10);
    thread_runs(1, serve_shard, shards[1], 0);
    assert_int_equal(shards[1]->table.count, 0);
    assert_int_equal(shards[0]->table.count, 10);
    thread_runs(0, serve_home, shards[0], 0); /* which takes the answers */
    assert_int_equal(shards[0]->table.count, 0);
    assert_int_equal(client->out_len, 30 * 5);
    close_store();
}

static void test_an_idle_shard_sweeps(void **state)
{
    uint64_t before;

    (void)state;
    open_store(2);
    set_expiring(0, 5);
    set_expiring(1, 5);
    for (unsigned cpu = 0; cpu < 2; cpu++) {
        before = now_ns;
        thread_runs(cpu, cpu == 0 ? serve_home : serve_shard, shards[cpu], 3);
        assert_int_equal(shards[cpu]->table.count, 0);
        assert_true(now_ns <= before + 3 * SWEEP_NS); /* and not more often */
    }
    before = now_ns; /* nothing expires: a shard waits for messages, */
    thread_runs(1, serve_shard, shards[1], 1000);
    assert_int_equal(now_ns, before);
    thread_runs(0, serve_home, shards[0], 1000); /* both of them */
    assert_int_equal(now_ns, before);
    for (int fails = 0; fails <= 1; fails++) { /* until it is told of keys */
        assert_true(shards[0]->sleeps);
        messages_fail = fails;
        set_expiring(0, 5);
        assert_int_equal(shards[0]->sleeps, fails);
        messages_fail = false;
        ask("PING"); /* tells it, if it was not told */
        assert_false(shards[0]->sleeps);
        thread_runs(0, serve_home, shards[0], 3);
        assert_int_equal(shards[0]->table.count, 0);
    }
    close_store();
}

/* ---- Several CPUs -------------------------------------------------------- */

/* Who is served by which CPU: that of what follows. */
static void serve_by(unsigned cpu, struct socket *socket)
{
    cpu_now = client_cpu = cpu;
    client = socket;
}

/* Connections are on any CPU, and see the same keys. */
static void test_connections_on_several_cpus(void **state)
{
    struct socket *first, *second;
    char line[100], value[20];
    unsigned n = 0;

    (void)state;
    open_store(3);
    first = client;
    serve_by(1, NULL);
    second = client = client_connect();
    for (int i = 0; i < 20; i++) {
        sprintf(line, "SET key%d %d", i, i);
        assert_string_equal(ask(line), "+OK|");
    }
    assert_non_null(strstr(ask("INFO"), "|connected_clients:2|"));
    serve_by(0, first);
    for (int i = 0; i < 20; i++) {
        sprintf(line, "GET key%d", i);
        sprintf(value, "$%d|%d|", i < 10 ? 1 : 2, i);
        assert_string_equal(ask(line), value);
    }
    /* Both wait for the same shard, which answers each where it has asked. */
    sprintf(line, "GET %s", key_of(2, &n));
    send_words(line);
    serve_by(1, second);
    send_words(line);
    assert_int_equal(shards[0]->under_way, 1);
    assert_int_equal(shards[1]->under_way, 1);
    thread_runs(2, serve_shard, shards[2], 0);
    home_works();
    assert_string_equal(got(), "$-1|");
    assert_int_equal(shards[0]->under_way, 1);
    client_free(second);
    serve_by(0, first);
    home_works();
    assert_string_equal(got(), "$-1|");
    close_store();
}

/* Replies have the order of the requests, whoever answers first. */
static void test_replies_are_in_order(void **state)
{
    char wanted[2000] = "";
    char line[100];

    (void)state;
    open_store(4);
    for (int i = 0; i < 40; i++) {
        sprintf(line, "SET key%d %d", i, i);
        send_words(line);
        sprintf(line, "GET key%d", i);
        send_words(line);
        sprintf(wanted + strlen(wanted), "+OK|$%d|%d|", i < 10 ? 1 : 2, i);
        if (i % 10 == 9) {
            send_words("PING");
            send_words("NONE");
            strcat(wanted, "+PONG|-ERR unknown command 'NONE'|");
        }
    }
    shard_works(3);
    home_works();
    shard_works(1);
    home_works();
    assert_true(client->out_len < strlen(wanted));
    shard_works(2);
    home_works();
    assert_string_equal(got(), wanted);
    for (unsigned cpu = 0; cpu < 4; cpu++)
        assert_true(shards[cpu]->table.count > 2); /* evenly, more or less */
    close_store();
}

static void test_a_client_that_goes_away_leaves_nothing(void **state)
{
    (void)state;
    open_store(4);
    send_words("MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8");
    send_words("MGET a b c d e f g h");
    client_free(client);
    all_work();
    client = client_connect();
    assert_string_equal(ask("MGET a h"), "*2|$1|1|$1|8|");
    close_store();
}

static void test_messages_that_fail(void **state)
{
    (void)state;
    open_store(4);
    messages_fail = true;
    assert_string_equal(ask("MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8"),
                        "-" KV_OOM "|");
    messages_fail = false;
    assert_string_equal(ask("MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8"), "+OK|");
    close_store();
}

/* No more requests are read than may be under way. */
static void test_a_pipeline_is_bounded(void **state)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
    unsigned sent = 0;
    char key[2] = "a";

    (void)state;
    open_store(2);
    while (kv_owner(kv_hash((struct span){key, 1}), 2) == 0)
        key[0]++;
    for (sent = 0; sent < 1000; sent++) {
        char text[sizeof(get)];

        memcpy(text, get, sizeof(get));
        text[17] = key[0];
        client_send_bytes(client, text, sizeof(get) - 1);
    }
    assert_int_equal(under_way(), KV_PENDING_MAX);
    for (int i = 0; i < 10; i++)
        all_work();
    assert_int_equal(client->out_len, 1000 * 5);
    client->out_len = 0;
    close_store();
}

/* Nor so many that their replies could have more bytes than may be kept. */
static void test_a_pipeline_is_bounded_in_bytes(void **state)
{
    enum { VALUE = 1 << 20, ALL = 80, AT_ONCE = KV_HELD_MAX / VALUE };
    static char value[VALUE];
    const struct kv_connection *connection;
    char first[40], get[40];
    struct span key;
    unsigned n = 0;

    (void)state;
    store_open(3, 64 << 20, VALUE);
    client = client_connect();
    client->room = SIZE_MAX;
    connection = client->cookie;
    sprintf(first, "GET %s\r\n", key_of(2, &n)); /* is answered last */
    sprintf(get, "GET %s\r\n", key_of(1, &n));
    key = (struct span){get + 4, strlen(get) - 6};
    for (size_t len = 0; len <= VALUE; len += VALUE / 2) {
        size_t reply = len == 0 ? 5 : strlen("$524288\r\n\r\n") + len;

        reply += len == VALUE;
        if (len > 0)
            assert_int_equal(kv_set(&shards[1]->table, kv_hash(key), key,
                                    (struct span){value, len}, KV_NEVER, 0),
                             0);
        client_send_bytes(client, first, strlen(first));
        for (int i = 0; i < ALL; i++)
            client_send_bytes(client, get, strlen(get));
        assert_int_equal(under_way(), AT_ONCE);
        for (int i = 0; i < ALL; i++) {
            shard_works(1);
            home_works();
            assert_true(connection->done_bytes < KV_HELD_MAX);
        }
        assert_int_equal(under_way(), 1); /* short ones: there was room */
        assert_true(
            connection->pending ==
            (len == 0 ? 1 + ALL : 1 + (KV_HELD_MAX - VALUE) / reply + 1));
        all_work();
        assert_int_equal(client->out_len, 5 + ALL * reply);
        client->out_len = 0;
    }
    close_store();
}

static void test_many_connections_share_the_messages(void **state)
{
    static struct socket *clients[40];
    char key[2] = "a";
    char text[100];

    (void)state;
    open_store(2);
    while (kv_owner(kv_hash((struct span){key, 1}), 2) == 0)
        key[0]++;
    sprintf(text, "*2\r\n$3\r\nGET\r\n$1\r\n%s\r\n", key);
    for (int i = 0; i < 40; i++) {
        clients[i] = client_connect();
        for (int n = 0; n < 200; n++)
            client_send_bytes(clients[i], text, strlen(text));
    }
    assert_true(under_way() <= KV_CALLS_MAX);
    for (int i = 0; i < 10; i++)
        all_work();
    for (int i = 0; i < 40; i++) {
        assert_int_equal(clients[i]->out_len, 200 * 5);
        client_free(clients[i]);
    }
    close_store();
}

/* ---- Limits -------------------------------------------------------------- */

/* What a start has left that did not come to its end. */
static void free_rests(unsigned cpus)
{
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        struct shard *shard = shards != NULL ? shards[cpu] : NULL;

        if (fronts != NULL)
            mem_free(fronts[cpu]);
        if (shard == NULL)
            continue;
        mem_free(shard->parts);
        kv_table_fini(&shard->table);
        mem_free(shard);
    }
    mem_free(shards);
    mem_free(fronts);
    assert_int_equal(mem_blocks, 0);
}

/* Each allocation of a start fails. */
static void test_start_without_memory(void **state)
{
    enum { CPUS = 3 };
    const struct kv_options options = {.port = 6379, .value_max = 1000};
    int failures = 0;
    int status;

    (void)state;
    world_cpus = CPUS;
    do {
        world_begin();
        cpu_now = client_cpu = 0;
        channels_made = 0;
        shards = NULL;
        fronts = NULL;
        mem_fail_at = failures + 1;
        status = kv_serve(&options);
        if (mem_fail_at == 0) {
            assert_int_equal(status, -ENOMEM);
            free_rests(CPUS);
            failures++;
        }
    } while (status != 0);
    mem_fail_at = 0;
    assert_int_equal(failures, 2 + 4 * CPUS);
    /* Three quarters of what is free, of each. */
    assert_int_equal(kv_limits.max_bytes, CPUS * (3 << 20));
    store_close();
}

static void test_memory_is_bounded(void **state)
{
    char line[2000];
    const char *reply;
    int stored = 0;

    (void)state;
    for (unsigned cpus = 1; cpus <= 3; cpus++) {
        store_open(cpus, 100000, 10000);
        client = client_connect();
        for (stored = 0; stored < 1000; stored++) {
            sprintf(line, "SET key%d ", stored);
            memset(line + strlen(line), 'x', 1000);
            line[1010] = '\0';
            reply = ask(line);
            if (strcmp(reply, "+OK|") != 0)
                break;
        }
        assert_string_equal(reply, "-" KV_OOM "|");
        assert_true(stored > 80 && stored < 300);
        assert_string_equal(ask("DEL key0 key1 key2 key3 key4 key5 key6 key7 "
                                "key8 key9"),
                            ":10|");
        assert_string_equal(ask(line), "+OK|");
        close_store();
    }
}

/* APPEND takes room for more, but none that the shard does not have. */
static void test_memory_is_bounded_for_long_values(void **state)
{
    enum { MAX = 100000, STEP = 1000 };
    char line[2000] = "APPEND a ";
    const struct kv_table *table;
    int stored;

    (void)state;
    store_open(1, MAX, MAX);
    client = client_connect();
    table = &shards[0]->table;
    memset(line + 9, 'x', STEP);
    line[9 + STEP] = '\0';
    for (stored = 0; ask(line)[0] == ':'; stored++)
        assert_true(table->used_bytes <= MAX);
    assert_true(table->used_bytes <= MAX);
    assert_true(table->used_bytes > MAX - STEP);
    assert_true(stored * STEP > MAX - 4 * STEP);
    close_store();
}

static void test_values_and_keys_have_limits(void **state)
{
    static char text[40000];

    (void)state;
    store_open(1, 1 << 20, 1000);
    client = client_connect();
    memset(text, 'x', 2000);
    memcpy(text, "APPEND a ", 9);
    text[9 + 1000] = '\0';
    assert_string_equal(ask(text), ":1000|");
    assert_string_equal(ask("APPEND a x"),
                        "-ERR string exceeds maximum allowed size|");
    client_send_bytes(client, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1001\r\n", 28);
    assert_string_equal(got(), "-ERR Protocol error: invalid bulk length|");
    assert_true(client->is_closed);
    close_store();
}

static void test_a_mistake_ends_the_connection(void **state)
{
    (void)state;
    open_store(2);
    client_send_bytes(client, "PING\r\n*x\r\nPING\r\n", 16);
    assert_string_equal(got(),
                        "+PONG|-ERR Protocol error: invalid multibulk length|");
    assert_true(client->is_closed);
    close_store();
    open_store(4);
    send_words("MSET a 1 b 2 c 3 d 4 e 5 f 6 g 7 h 8");
    client_send_bytes(client, "*-x\r\n", 5);
    assert_string_equal(got(), ""); /* in its turn */
    all_work();
    assert_string_equal(got(),
                        "+OK|-ERR Protocol error: invalid multibulk length|");
    assert_true(client->is_closed);
    close_store();
}

static void test_a_client_that_does_not_read(void **state)
{
    static char text[20100];
    size_t taken;

    (void)state;
    open_store(1);
    sprintf(text, "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$20000\r\n");
    taken = strlen(text);
    memset(text + taken, 'x', 20000);
    strcpy(text + taken + 20000, "\r\n");
    client_send_bytes(client, text, strlen(text));
    assert_string_equal(got(), "+OK|");
    client->room = 0;
    for (int i = 0; i < 100; i++)
        client_send_bytes(client, "GET a\r\n", 7);
    /* It has stopped reading: the rest is still in the socket. */
    assert_true(client->in_len - client->in_at > 300);
    client->room = 10000000;
    served->writable(served, client);
    assert_int_equal(client->out_len, 100 * (20000 + 10));
    close_store();
}

/* What has been sent is not kept, though there is always more to send. */
static void test_a_client_that_always_asks(void **state)
{
    enum { REPLY = 1009, AHEAD = 3, COUNT = 2000 };
    const struct kv_connection *connection;
    char line[1100];

    (void)state;
    open_store(1);
    connection = client->cookie;
    client->room = 0;
    memset(line, 'x', sizeof(line));
    line[5 + 1000] = '\0';
    for (int i = 0; i < COUNT; i++) {
        sprintf(line, "ECHO %08d", i);
        line[13] = 'x';
        send_words(line);
        if (i < AHEAD)
            continue;
        client->room = REPLY;
        served->writable(served, client);
        assert_int_equal(client->out_len, REPLY);
        sprintf(line, "$1000\r\n%08d", i - AHEAD);
        assert_memory_equal(client->out, line, strlen(line));
        assert_int_equal(connection->out.len - connection->out_sent,
                         AHEAD * REPLY);
        assert_true(connection->out.size <= 16384);
        client->out_len = 0;
        line[strlen(line)] = 'x';
    }
    client->room = AHEAD * REPLY;
    served->writable(served, client);
    assert_int_equal(client->out_len, AHEAD * REPLY);
    assert_int_equal(connection->out.size, 0);
    close_store();
}

static void test_every_allocation_fails(void **state)
{
    bool failed = true;

    (void)state;
    for (int n = 1; failed; n++) {
        open_store(3);
        mem_fail_at = n;
        send_words("MSET a 1 b 2 c 3 d 4 e 5 f 6");
        if (is_open(client))
            send_words("APPEND a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        if (is_open(client))
            send_words("KEYS *");
        if (is_open(client))
            send_words("SCAN 0");
        all_work();
        failed = mem_fail_at == 0;
        mem_fail_at = 0;
        client_free(client);
        all_work();
        client = client_connect();
        assert_string_equal(ask("PING"), "+PONG|");
        close_store();
    }
}

/* What is written over or deleted is said, or is still there. */
static void test_no_value_is_lost_without_memory(void **state)
{
    static const char *const lines[] = {"SET a new GET", "GETSET a new",
                                        "GETDEL a"};
    char old[1000], wanted[1010];

    (void)state;
    memset(old, 'x', sizeof(old));
    memcpy(old, "SET a ", 6);
    old[6 + 600] = '\0';
    sprintf(wanted, "$600|%s|", old + 6);
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        bool failed = true;

        for (int n = 1; failed; n++) {
            bool is_said;

            open_store(1);
            assert_string_equal(ask(old), "+OK|");
            mem_fail_at = n;
            is_said = strcmp(ask(lines[i]), wanted) == 0;
            failed = mem_fail_at == 0;
            mem_fail_at = 0;
            client_free(client);
            client = client_connect();
            assert_true(is_said || failed);
            assert_int_equal(strcmp(ask("GET a"), wanted) != 0, is_said);
            close_store();
        }
    }
}

static void test_scan_visits_all(void **state)
{
    static bool seen[500];
    char line[100];

    (void)state;
    for (unsigned cpus = 1; cpus <= 4; cpus += 3) {
        unsigned long long cursor = 0;
        int more = 100;

        open_store(cpus);
        memset(seen, 0, sizeof(seen));
        for (int i = 0; i < 100; i++) {
            sprintf(line, "SET k%d v", i);
            ask(line);
        }
        do { /* while others are added, and the tables grow */
            char *reply;

            sprintf(line, "SCAN %llu MATCH k* COUNT 7", cursor);
            reply = (char *)ask(line);
            sscanf(reply, "*2|$%*d|%llu|", &cursor);
            for (char *p = strstr(reply, "|k"); p != NULL; p = strstr(p, "|k"))
                seen[strtol(p += 2, NULL, 10)] = true;
            if (more < 500) {
                sprintf(line, "SET k%d v", more++);
                ask(line);
            }
        } while (cursor != 0);
        for (int i = 0; i < 100; i++)
            assert_true(seen[i]);
        close_store();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_command),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_keys_expire),
        cmocka_unit_test(test_a_busy_shard_sweeps),
        cmocka_unit_test(test_an_idle_shard_sweeps),
        cmocka_unit_test(test_connections_on_several_cpus),
        cmocka_unit_test(test_replies_are_in_order),
        cmocka_unit_test(test_a_client_that_goes_away_leaves_nothing),
        cmocka_unit_test(test_messages_that_fail),
        cmocka_unit_test(test_a_pipeline_is_bounded),
        cmocka_unit_test(test_a_pipeline_is_bounded_in_bytes),
        cmocka_unit_test(test_many_connections_share_the_messages),
        cmocka_unit_test(test_start_without_memory),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_memory_is_bounded_for_long_values),
        cmocka_unit_test(test_values_and_keys_have_limits),
        cmocka_unit_test(test_a_mistake_ends_the_connection),
        cmocka_unit_test(test_a_client_that_does_not_read),
        cmocka_unit_test(test_a_client_that_always_asks),
        cmocka_unit_test(test_every_allocation_fails),
        cmocka_unit_test(test_no_value_is_lost_without_memory),
        cmocka_unit_test(test_scan_visits_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
