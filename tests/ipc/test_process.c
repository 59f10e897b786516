/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tests/ipc/test_process.c — two processes, one of which may be killed at any moment.
 *
 * Elements carry numbers. What a process did with each is noted in memory that both see, so
 * that the count can be made after one of them is dead.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/os.h"
#include "core/mem.h"
#include "tests/ipc/kit.h"
#include "tests/ipc/place.h"

enum { ITEMS = 20000 };

/* Both see it. */
struct board {
    _Atomic(int) sent;     /* numbers below were accepted by the channel */
    _Atomic(int) received; /* … were received */
    _Atomic(int) ready;
    _Atomic(unsigned char) seen[ITEMS]; /* times received */
    _Atomic(unsigned char) told[ITEMS]; /* times reported */
};

struct stage {
    char dir[40], addr[64];
    struct board *board;
    pid_t child;
};

static struct stage stage;

static void set_up(void)
{
    int prot = PROT_READ | PROT_WRITE;
    FILE *file = tmpfile();

    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(ftruncate(fileno(file), sizeof *stage.board), 0);
    stage.board = mmap(NULL, sizeof *stage.board, prot, MAP_SHARED, fileno(file), 0);
    ck_assert(stage.board != MAP_FAILED);
    fclose(file);
    make_dir(stage.dir, sizeof stage.dir);
    snprintf(stage.addr, sizeof stage.addr, "unix:%s/s", stage.dir);
}

/* The other process runs fn. */
static void start_child(kc_fn fn)
{
    stage.child = fork();
    ck_assert_int_ge(stage.child, 0);
    if (stage.child)
        return;
    int rc = kc_run(fn, NULL, &(kc_opts_t){ .workers = 2 });
    _exit(rc || kci_mem_blocks_in_use() ? 1 : 0);
}

static void run_here(kc_fn fn)
{
    ck_assert_int_eq(kc_run(fn, NULL, &(kc_opts_t){ .workers = 2 }), 0);
    ck_assert_int_eq((int)kci_mem_blocks_in_use(), 0);
}

static void kill_child(void)
{
    ck_assert_int_eq(kill(stage.child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(stage.child, NULL, 0), stage.child);
}

static void expect_child(void)
{
    int status;

    ck_assert_int_eq(waitpid(stage.child, &status, 0), stage.child);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x",
                  (unsigned)status);
}

/* A killed listener leaves its files. */
static void tear_down(void)
{
    char path[80];

    snprintf(path, sizeof path, "%s/s", stage.dir);
    unlink(path);
    snprintf(path, sizeof path, "%s/s.lock", stage.dir);
    unlink(path);
    ck_assert_int_eq(rmdir(stage.dir), 0);
}

static kc_ipc_conn_t *connect_here(void)
{
    kc_ipc_opts_t wait = { .flags = KC_IPC_WAIT };
    kc_ipc_conn_t *c;

    must_eq(kc_ipc_connect(&c, stage.addr, &wait, KC_FOREVER), 0);
    return c;
}

static void note_told(void *elem, unsigned reason, void *arg)
{
    (void)reason;
    (void)arg;
    ka_add(&stage.board->told[*(int *)elem], 1, relaxed); // relaxed: counted after the fact
}

static kc_chan_t *open_here(kc_ipc_conn_t *c, const char *name)
{
    kc_ipc_chan_spec_t spec = { .elem_size = 4, .on_undelivered = note_told };
    kc_chan_t *ch;

    must_eq(kc_ipc_chan_open(c, name, &spec, &ch, KC_FOREVER), 0);
    return ch;
}

static kc_chan_t *serve(const char *name, long cap, unsigned rights)
{
    kc_ipc_listener_t *l;
    kc_chan_t *ch = kc_chan_owned(4, cap);

    must_eq(kc_ipc_listen(&l, stage.addr, NULL), 0);
    must_eq(kc_ipc_export(l, name, ch, rights), 0);
    return ch;
}

static void receive_all(kc_chan_t *ch)
{
    int v;

    while (kc_recv(ch, &v) == 0) {
        ka_add(&stage.board->seen[v], 1, relaxed); // relaxed: counted after the fact
        ka_add(&stage.board->received, 1, relaxed); // relaxed: as above
    }
}

static void send_all(kc_chan_t *ch)
{
    for (int i = 0; i < ITEMS && kc_send(ch, &i) == 0; i++)
        ka_store(&stage.board->sent, i + 1, relaxed); // relaxed: as above
}

/* ---- nobody dies ---- */

static int square_server(void *arg)
{
    kc_ipc_listener_t *l;
    kc_chan_t *in = kc_chan(int, 64), *out = kc_chan(int, 64);
    int v, rc;

    (void)arg;
    must_eq(kc_ipc_listen(&l, stage.addr, NULL), 0);
    must_eq(kc_ipc_export(l, "in", in, KC_PEER_SEND | KC_PEER_CLOSE), 0);
    must_eq(kc_ipc_export(l, "out", out, KC_PEER_RECV), 0);
    while ((rc = kc_recv(in, &v)) == 0) {
        v *= v;
        must_eq(kc_send(out, &v), 0);
    }
    must_eq(rc, -EPIPE);
    must_eq(kc_ipc_listener_close(l), 0);
    return 0;
}

static int square_client(void *arg)
{
    kc_ipc_conn_t *c = connect_here();
    kc_chan_t *in = open_here(c, "in"), *out = open_here(c, "out");
    int y;

    (void)arg;
    for (int i = 0; i < 1000; i++) {
        must_eq(kc_send(in, &i), 0);
        kc_sel_t s = kc_select(kc_in(KC_S(60)), KC_RECV(out, &y),
                               KC_DONE(kc_scope_token(kc_scope_current())));
        must_eq(s.i, 0);
        must_eq(y, i * i);
    }
    must_eq(kc_chan_close(in), 0);
    kc_chan_unref(in);
    kc_chan_unref(out);
    (void)kc_ipc_close(c, KC_FOREVER); // the server may be gone before it confirmed all
    return 0;
}

START_TEST(two_processes_compute_squares)
{
    set_up();
    start_child(square_server);
    run_here(square_client);
    expect_child();
    tear_down();
}
END_TEST

/* ---- a process dies at a moment drawn by chance ---- */

static uint64_t seed;

/* Kill the child once `count` has reached a number drawn by chance. */
static void kill_once(_Atomic(int) *count)
{
    int at = (int)roll(&seed, ITEMS / 2);

    until(ka_load(count, relaxed) >= at); // relaxed: a moment, whichever
    kill_child();
}

static int sender(void *arg)
{
    kc_ipc_conn_t *c = connect_here();
    kc_chan_t *ch = open_here(c, "x");

    (void)arg;
    send_all(ch);
    kc_chan_unref(ch);
    (void)kc_ipc_close(c, KC_FOREVER);
    return 0;
}

static int receive_until_sender_dies(void *arg)
{
    kc_chan_t *ch = serve("x", 16, KC_PEER_SEND);
    int v, at = (int)roll(&seed, ITEMS / 2);

    (void)arg;
    do {
        must_eq(kc_recv(ch, &v), 0);
        ka_add(&stage.board->seen[v], 1, relaxed); // relaxed: counted after the fact
    } while (v < at);
    kill_child();
    while (kc_recv(ch, &v, kc_in(KC_MS(300))) == 0) // what had arrived still comes
        ka_add(&stage.board->seen[v], 1, relaxed);  // relaxed: as above
    return 0;
}

/* What arrives from a producer that dies is a prefix of what it sent, each element once. */
START_TEST(a_killed_producer_leaves_a_prefix)
{
    seed = test_seed() + (uint64_t)_i;
    set_up();
    start_child(sender);
    run_here(receive_until_sender_dies);
    int n = 0;
    while (n < ITEMS && stage.board->seen[n] == 1)
        n++;
    // One more may have been accepted than the producer lived to note.
    ck_assert_int_le(n, ka_load(&stage.board->sent, relaxed) + 1); // relaxed: it is dead
    for (int i = n; i < ITEMS; i++)
        must_eq(stage.board->seen[i], 0);
    tear_down();
}
END_TEST

static int receive_in_server(void *arg)
{
    (void)arg;
    receive_all(serve("x", 0, KC_PEER_SEND)); // it holds nothing itself
    return 0;
}

static int send_until_receiver_dies(void *arg)
{
    kc_ipc_conn_t *c = connect_here();
    kc_chan_t *ch = open_here(c, "x");
    int i = 0, at = (int)roll(&seed, ITEMS / 2);

    (void)arg;
    for (; i < at; i++)
        must_eq(kc_send(ch, &i), 0);
    kill_child();
    while (i < ITEMS && kc_send(ch, &i) == 0)
        i++;
    must_eq(kc_send(ch, &i), -EPIPE);
    must_eq(kc_chan_why(ch), -ECONNRESET);
    until(kc_ipc_why(c) == -ECONNRESET);
    ka_store(&stage.board->sent, i, relaxed); // relaxed: same process
    kc_chan_unref(ch);
    must_eq(kc_ipc_close(c, KC_FOREVER), 0);
    return 0;
}

/* Each accepted element was received, or reported, or (as the report says MAYBE) both; but for
 * one, which the receiver had no time to note. */
START_TEST(a_killed_consumer_leaves_nothing_unaccounted_for)
{
    seed = test_seed() + (uint64_t)_i;
    set_up();
    start_child(receive_in_server);
    run_here(send_until_receiver_dies);
    int sent = ka_load(&stage.board->sent, relaxed); // relaxed: all is over
    int unknown = 0;
    for (int i = 0; i < sent; i++)
        unknown += !stage.board->seen[i] && !stage.board->told[i];
    ck_assert_int_le(unknown, 1);
    for (int i = 0; i < ITEMS; i++) {
        must(stage.board->told[i] <= 1 && stage.board->seen[i] <= 1);
        must(i < sent || !stage.board->told[i]);
    }
    tear_down();
}
END_TEST

static int receive_from_server(void *arg)
{
    kc_ipc_conn_t *c = connect_here();

    (void)arg;
    receive_all(open_here(c, "x"));
    return 0;
}

static int give_to_two(void *arg)
{
    kc_chan_t *ch = serve("x", KC_UNLIMITED, KC_PEER_RECV);
    int v, descents = 0, last = -1;

    (void)arg;
    for (int i = 0; i < ITEMS; i++)
        must_eq(kc_send(ch, &i), 0);
    kill_once(&stage.board->received);
    // What it had not confirmed comes back to the front; we are the next consumer, and may have
    // begun before it does.
    while (kc_recv(ch, &v, kc_in(KC_MS(300))) == 0) {
        descents += v < last;
        last = v;
        ka_add(&stage.board->seen[v], 1, relaxed); // relaxed: counted after the fact
    }
    must(descents <= 1);
    return 0;
}

/* Requeued in order; nothing is lost; twice only what the dead one received but did not
 * confirm. */
START_TEST(a_killed_consumers_elements_go_to_the_next_one)
{
    seed = test_seed() + (uint64_t)_i;
    set_up();
    start_child(receive_from_server);
    run_here(give_to_two);
    int twice = 0;
    for (int i = 0; i < ITEMS; i++) {
        must(stage.board->seen[i] == 1 || stage.board->seen[i] == 2);
        twice += stage.board->seen[i] == 2;
    }
    ck_assert_int_le(twice, 256); // a window
    tear_down();
}
END_TEST

/* ---- addresses ---- */

static int hold_address(void *arg)
{
    (void)arg;
    (void)serve("x", 1, KC_PEER_RECV);
    ka_store(&stage.board->ready, 1, release); // E-READY
    return kc_sleep_until(KC_FOREVER);
}

static int want_address(void *arg)
{
    kc_ipc_listener_t *l;
    kc_ipc_conn_t *c;

    (void)arg;
    until(ka_load(&stage.board->ready, acquire)); // E-READY
    must_eq(kc_ipc_listen(&l, stage.addr, NULL), -EADDRINUSE);
    kill_child();
    must_eq(kc_ipc_connect(&c, stage.addr, NULL, KC_FOREVER), -ECONNREFUSED);
    must_eq(kc_ipc_listen(&l, stage.addr, NULL), 0); // over the stale file
    must_eq(kc_ipc_connect(&c, stage.addr, NULL, KC_FOREVER), 0);
    must_eq(kc_ipc_close(c, KC_TRY), 0);
    must_eq(kc_ipc_listener_close(l), 0);
    return 0;
}

START_TEST(an_address_is_taken_from_the_dead_and_not_from_the_living)
{
    set_up();
    start_child(hold_address);
    run_here(want_address);
    ck_assert_int_eq(rmdir(stage.dir), 0); // nothing is left
}
END_TEST

SUITE("ipc/process", CASE(two_processes_compute_squares),
      CASE_LOOP(a_killed_producer_leaves_a_prefix, 10),
      CASE_LOOP(a_killed_consumer_leaves_nothing_unaccounted_for, 10),
      CASE_LOOP(a_killed_consumers_elements_go_to_the_next_one, 10),
      CASE(an_address_is_taken_from_the_dead_and_not_from_the_living))
